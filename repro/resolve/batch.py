"""How an effective batch is laid out over devices, sequences and accumulation, from whichever of the four are known."""

from __future__ import annotations

from repro.arithmetic import micro_batch
from repro.resolve.fill import Filling
from repro.resolve.values import assumed, derived
from repro.spec import AnyFact, Origin

E, A, P, D = "effective_batch_size", "gradient_accumulation_steps", "per_device_batch_size", "num_devices"


def lay_out(filling: Filling) -> None:
    """Puts the four batch facts and `micro_batch` into the filling, such that E = A x P x D.

    What is stated or found stands; one that is missing follows from the others. Where several are missing the
    recipe's layout is taken if it makes the same batch, else one device. The batch itself is never guessed.
    """
    known = {key: fact for key in (E, A, P, D) if (fact := filling.strong(key)).known}
    if any(hole.key in {E, A, P, D} for hole in filling.holes):
        return
    if E not in known:
        _batch_of_parts(filling, known)
        if E not in known:
            return
    batch = _int(known[E])
    if len(known) == 4 and _int(known[A]) * _int(known[P]) * _int(known[D]) != batch:
        product = " x ".join(str(_int(known[k])) for k in (P, D, A))
        filling.note(
            f"an effective batch of {batch} and {product} sequences contradict each other: the effective batch is "
            "kept, with the accumulation where that divides it."
        )
        del known[P], known[D]
    if A in known and micro_batch(batch, _int(known[A])) is None:
        filling.note(
            f"an accumulation of {_int(known[A])} does not divide the effective batch of {batch}: it is set to 1."
        )
        known[A] = derived(A, 1, f"the stated {_int(known[A])} does not divide {batch}")
        known.pop(P, None)
        known.pop(D, None)
    _complete(filling, known, batch)
    for key in (E, A, P, D):
        filling.put(known[key])
    a, micro = _int(known[A]), batch // _int(known[A])
    filling.put(
        derived("micro_batch", micro, f"effective batch / accumulation = {batch} / {a} = {micro} sequences or pairs")
    )


def _batch_of_parts(filling: Filling, known: dict[str, AnyFact]) -> None:
    whole = filling.recipe(E)
    if not known and whole.known:
        for key in (E, A, P, D):
            known[key] = filling.recipe(key)
        return
    for key in (A, P):
        if key not in known:
            fact = filling.recipe(key)
            if not fact.known or whole.known:
                # A layout that is half the recipe's and half another's would be nobody's batch.
                filling.hole(E, "neither the card nor an artefact says, and no recipe gives it")
                return
            known[key] = fact
    if D not in known:
        known[D] = assumed(D, 1, "nobody states how many devices trained: one")
    a, p, d = (_int(known[k]) for k in (A, P, D))
    origin = Origin.ASSUMED if any(known[k].origin is Origin.ASSUMED for k in (A, P, D)) else Origin.DERIVED
    fact = derived(E, a * p * d, f"per device x devices x accumulation = {p} x {d} x {a} = {a * p * d}")
    known[E] = fact if origin is Origin.DERIVED else assumed(E, a * p * d, f"{fact.why}, of which not all is stated")


def _complete(filling: Filling, known: dict[str, AnyFact], batch: int) -> None:
    recipe = {key: filling.recipe(key) for key in (E, A, P, D)}
    fits = all(recipe[k].known for k in recipe) and all(recipe[k].value == known[k].value for k in known)
    if fits:
        for key in (A, P, D):
            known.setdefault(key, recipe[key])
        return
    if all(k in known for k in (A, P, D)):
        return
    if sum(k in known for k in (A, P, D)) == 2:
        last = next(k for k in (A, P, D) if k not in known)
        others = [k for k in (A, P, D) if k in known]
        product = _int(known[others[0]]) * _int(known[others[1]])
        if batch % product == 0:
            why = f"{E} / ({others[0]} x {others[1]}) = {batch} / {product} = {batch // product}"
            known[last] = derived(last, batch // product, why)
            return
        dropped = P if P in known else D
        filling.note(
            f"{others[0]} x {others[1]} = {product} does not divide the effective batch of {batch}: {dropped} is not "
            "used."
        )
        del known[dropped]
    if D in known and batch % _int(known[D]):
        filling.note(f"{_int(known[D])} devices do not divide the effective batch of {batch}: one is taken.")
        del known[D]
    _spread(filling, known, batch, recipe[P])


def _spread(filling: Filling, known: dict[str, AnyFact], batch: int, usual: AnyFact) -> None:
    """At most one of accumulation, sequences and devices is known: one device unless stated."""
    one = "which of devices and sequences share it is not stated"
    if D in known:
        each = batch // _int(known[D])
        known[P] = assumed(P, each, f"{batch} over {_int(known[D])} devices, accumulation not stated: 1")
        known[A] = assumed(A, 1, "not stated, and the effective batch is")
        return
    same = "one device makes the same batches"
    if filling.method == "sft" and filling.value("loss_reduction") == "mean":
        same += ", though which sequences share a pass weighs in a mean of the passes' means"
    known[D] = assumed(D, 1, f"{one}: {same}")
    if P in known and batch % _int(known[P]) == 0:
        known[A] = derived(A, batch // _int(known[P]), f"{batch} / {_int(known[P])} on the one device assumed")
    elif A in known:
        each = batch // _int(known[A])
        known[P] = derived(
            P, each, f"effective batch / accumulation = {batch} / {_int(known[A])} = {each}, on the one device assumed"
        )
    else:
        each = _int(usual) if usual.known and batch % _int(usual) == 0 else batch
        known[P] = assumed(
            P, each, "not stated; " + (usual.why if usual.known and each == usual.value else "the whole batch at once")
        )
        known[A] = derived(A, batch // each, f"{batch} / {each} on the one device assumed")


def _int(fact: AnyFact) -> int:
    value = fact.value
    assert isinstance(value, int), fact.key
    return value
