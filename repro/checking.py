"""Checks the cards that a command names, one after the other, each by its project's wishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro import __version__, config, pipeline
from repro.card import Ignore, Problem
from repro.checked import CheckedCard, CheckRun, Reader, Refused, checked_card
from repro.errors import ReproError
from repro.evidence import Source
from repro.files import Scores
from repro.finding import Check, Finding, Persona, Severity
from repro.fixing import Fixes, check_and_mend
from repro.inputs import Input, Walked, find_inputs, path_from_root
from repro.options import Options

if TYPE_CHECKING:
    from repro.gather.wire import Wire
    from repro.mend import Mended


@dataclass(slots=True)
class Checking:
    """One call of `repro check`: settings before, what was met on the way after.

    Words of the command line stand over a configuration file's.
    """

    options: Options
    words: Mapping[str, str] = field(default_factory=dict)
    """Of `config.CHOICES`, those that the command line sets."""
    config_file: Path | None = None
    stdin: Callable[[], bytes] = bytes
    stdin_filename: str = ""
    fixes: Fixes = Fixes.NONE
    mended: dict[str, Mended] = field(default_factory=dict)
    """What was mended in each card, by its source; whoever shows it takes it out."""
    cards: list[CheckedCard] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    walked: list[Walked] = field(default_factory=list)
    _configs: dict[Path, config.Config] = field(default_factory=dict)
    _files: dict[Path, Path | None] = field(default_factory=dict)
    _wishes: dict[Ignore, bool] = field(default_factory=dict)
    """Wishes of configuration files -> whether one ignored something; those of checks that ran."""
    _source: Source | None = None
    _wire: Wire | None = None

    def run(self, words: list[str]) -> Iterator[CheckedCard | Refused | Walked]:
        """Every card that the words mean, checked, as soon as it is; what cannot be had stops nothing.

        Raises:
            UsageError: a selector names no check, or a configuration file is wrong.
            PrerequisiteError: the source does not exist.
        """
        from repro.check.checker import chosen_checks

        chosen_checks(self.options.select, self.options.ignore)
        if self.config_file is not None:
            self._config(self.config_file)
        if self.options.source not in ("", "none"):
            self._source = pipeline.audit_source(self.options)
        found = find_inputs(words, stdin=self.stdin, stdin_filename=self.stdin_filename, repository=self._repository())
        for item in found:
            result = self._checked(item) if isinstance(item, Input) else item
            if isinstance(result, CheckedCard):
                self.cards.append(result)
            elif isinstance(result, Refused):
                self.refused.append(result)
            else:
                self.walked.append(result)
            yield result

    @property
    def exit_code(self) -> int:
        """Of what could not be checked, else 10 when a finding fails the run, else 0.

        Where inputs failed in different ways: a bug or a disk before what is missing, that before a card.
        """
        codes = {getattr(refused.error, "exit_code", 1) for refused in self.refused}
        if codes:
            return next((code for code in (1, 2, 4, 3) if code in codes), 1)
        return 10 if any(card.fails for card in self.cards) else 0

    def whole(self) -> CheckRun:
        """What the run found, when it is through."""
        return CheckRun(__version__, tuple(self.cards), tuple(self.refused), self.idle_wishes(), self._checks())

    def idle_wishes(self) -> tuple[Problem, ...]:
        """The wishes of configuration files that were not granted, or ignored nothing in any card of this run."""
        from repro.check.ignoring import unsound, useless

        wrong = unsound(self._wishes)
        told = {problem.span for problem in wrong}
        idle = (wish for wish, used in self._wishes.items() if not used and wish.span not in told)
        return wrong + tuple(useless(wish) for wish in idle)

    def _checked(self, item: Input) -> CheckedCard | Refused:
        from repro.check.checker import chosen_checks
        from repro.check.ignoring import idle, unsound, useless

        settings = self._settings(item)
        words = {**(settings.words if settings else {}), **self.words}
        wishes = settings.ignores_for(item.name) if settings else ()
        select = self.options.select or (settings.select if settings else ())
        options = replace(self.options, select=select, ignores=wishes)
        who = reader(words)
        try:
            report, mended = check_and_mend(item, options, self._source, self.fixes, who.sees)
        except ReproError as error:
            return Refused(item.name, error)
        except Exception as error:  # a bug met on one card must not hide the findings of the others
            return Refused(item.name, error)
        if mended is not None:
            self.mended[report.card_source] = mended
        ran = frozenset(check.code for check in chosen_checks(select, self.options.ignore))
        own = report.spec.ignores if options.card_ignores else ()
        self._count(wishes, report.findings, ran)
        problems = (
            *unsound(own),
            *(useless(wish) for wish in idle(report.findings, own, ran)),
        )
        uri = item.name if item.data is not None else path_from_root(item.name)
        return checked_card(report, who, problems, uri)

    def _count(self, wishes: tuple[Ignore, ...], findings: tuple[Finding, ...], ran: frozenset[str]) -> None:
        from repro.check.ignoring import idle, unsound

        if not wishes:
            return
        unused = set(idle(findings, wishes, ran))
        wrong = {problem.span for problem in unsound(wishes)}
        for wish in wishes:
            if wish.span in wrong or wish in unused:
                self._wishes.setdefault(wish, False)
            else:
                self._wishes[wish] = True

    def _settings(self, item: Input) -> config.Config | None:
        if self.config_file is not None:
            return self._config(self.config_file)
        if item.folder is None:
            return None
        if item.folder not in self._files:
            self._files[item.folder] = config.find(item.folder)
        file = self._files[item.folder]
        return None if file is None else self._config(file)

    def _config(self, file: Path) -> config.Config:
        if file not in self._configs:
            self._configs[file] = config.load(file)
        return self._configs[file]

    def _repository(self) -> Callable[[str], tuple[bytes, str, Scores] | None]:
        def fetch(words: str) -> tuple[bytes, str, Scores] | None:
            from repro.gather.hub_card import hub_card, open_wire, read_repo

            named = read_repo(words)
            if named is None:
                return None
            if self._wire is None:
                self._wire = open_wire(self.options.endpoint, offline=self.options.offline, words=words)
            return hub_card(self._wire, *named)

        return fetch

    def _checks(self) -> tuple[Check, ...]:
        from repro.check.checker import all_checks

        codes = {f.code for card in self.cards for f in card.report.findings}
        return tuple(check for check in all_checks() if check.code in codes)


def reader(words: Mapping[str, str]) -> Reader:
    """Who is shown what, by the words of the command line or a configuration file."""
    level = words.get("fail-on", Severity.LOW.value)
    return Reader(
        persona=Persona(words.get("persona", Persona.AUTHOR.value)),
        min_severity=Severity(words.get("min-severity", Severity.INFO.value)),
        min_confidence=Severity(words.get("min-confidence", Severity.INFO.value)),
        fail_on=None if level == "never" else Severity(level),
    )
