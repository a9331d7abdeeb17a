"""Every error the program means to raise, with its exit code and what to do about it.

ReproError            1   something went wrong; the message says what and where
  UsageError          2   the command line asks for something that does not exist
  CardError           3   the card cannot be read
  HoleError           3   a run needs a fact that the card lacks and no recipe gives
  PrerequisiteError   4   an extra, a device, a credential or the network is missing
  RunError            5   training or evaluation did not finish
"""

from __future__ import annotations

from typing import ClassVar


class ReproError(Exception):
    """What went wrong (`message`), where (`where`, as file:line), and what to do (`hint`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(ReproError):
    """The command line asks for something that does not exist."""

    exit_code: ClassVar[int] = 2


class CardError(ReproError):
    """The card cannot be read."""

    exit_code: ClassVar[int] = 3


class HoleError(ReproError):
    """A run needs a fact that the card lacks and no recipe gives."""

    exit_code: ClassVar[int] = 3


class PrerequisiteError(ReproError):
    """An extra, a device, a credential or the network is missing."""

    exit_code: ClassVar[int] = 4


class RunError(ReproError):
    """Training or evaluation did not finish."""

    exit_code: ClassVar[int] = 5
