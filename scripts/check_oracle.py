#!/usr/bin/env python3
"""Checks `fused-kd loss --engine reference` against an independent implementation.

    scripts/check_oracle.py --binary target/release/fused-kd     random cases through the program
    scripts/check_oracle.py --self-test                          this file's own mathematics alone
    scripts/check_oracle.py --golden tests/engine/parity/golden.json    what the parity suite holds against
                                                                 every engine besides the oracle

Needs numpy; with torch, its float64 automatic differentiation gives a third opinion.

What makes it independent: losses are the definitions (plain sums, no rearrangement) in extended
precision, and gradients come from no formula at all but from complex-step differentiation,
`∂L/∂s_c = Im L(s + i·h·e_c)/h`, exact to rounding because nothing is subtracted. Only where a mask
makes a loss infinite, and there is nothing to differentiate, the agreed gradient is written down.
Exit status 1 and a table if anything differs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IGNORE = -100
REAL, COMPLEX = np.longdouble, np.clongdouble
STEP = 1e-30
FLOATS = (
    "loss kd ce tau beta teacher_confidence teacher_ce teacher_entropy teacher_margin "
    "student_confidence student_entropy student_logit_margin el2n"
).split()
WRONG, IGNORED, AGREE, NONFINITE, INFINITE, OFF, UNSELECTED = 1, 2, 4, 8, 32, 64, 256


# --- The specification --------------------------------------------------------------------------


def f32(value):
    """Parameters are f32 in the program."""
    return REAL(np.float32(value))


@dataclass(frozen=True)
class Side:
    kind: str = "forward-kl"
    lambda_kd: float = 0.9
    lambda_ce: float = 0.1
    alpha: float = 1.0
    beta: float = 8.0


@dataclass(frozen=True)
class Spec:
    right: Side = Side()
    wrong: Side = Side()
    revision: str = "none"
    parameter: float = 0.0  # eta or epsilon
    temperature: str = "fixed"
    tau: float = 4.0
    omega: str = "flsw"
    squared: bool = True
    reduction: str = "mean"


def both(**changes):
    side = Side(**changes)
    return {"right": side, "wrong": side}


LR = {"revision": "label-revision", "parameter": 0.8}
PRESETS = {
    "ce": Spec(**both(lambda_kd=0, lambda_ce=1), tau=1),
    "kd": Spec(),
    "lr": Spec(**LR),
    "lr-mse": Spec(
        right=Side("mse-logits", 4, 1),
        wrong=Side("mse-probs", 1, 0),
        **LR,
        tau=1,
        reduction="mean-per-group",
    ),
    "ka-ps": Spec(**both(lambda_kd=1, lambda_ce=0), revision="probability-shift"),
    "ka-lsr": Spec(
        **both(lambda_kd=1, lambda_ce=0), revision="label-smoothing", parameter=0.1
    ),
    "dtd-flsw": Spec(temperature="dtd"),
    "dtd-cwsm": Spec(temperature="dtd", omega="cwsm"),
    "dtd-ka": Spec(
        **both(lambda_kd=1, lambda_ce=0), revision="probability-shift", temperature="dtd"
    ),
    "dkd": Spec(**both(kind="decoupled", lambda_kd=1, lambda_ce=1)),
    "lskd": Spec(**both(lambda_kd=9), temperature="standardised", tau=2),
}


@dataclass
class Case:
    name: str
    preset: str
    settings: list
    spec: Spec
    student: np.ndarray
    teacher: np.ndarray
    labels: np.ndarray
    weights: np.ndarray = None
    kd_weights: np.ndarray = None

    def weight(self):
        rows = np.ones(len(self.labels), np.float32)
        return (rows if self.weights is None else self.weights).astype(REAL)

    def kd_weight(self):
        rows = np.ones(len(self.labels), np.float32)
        return (rows if self.kd_weights is None else self.kd_weights).astype(REAL)


# --- Distributions over unmasked classes --------------------------------------------------------


@dataclass
class Distribution:
    """Rows of probabilities and logarithms; at masked classes (`mask`) both are 0."""

    p: np.ndarray
    log: np.ndarray
    mask: np.ndarray


def softmax(z, mask, tau):
    shift = np.max(np.where(mask, -np.inf, z.real), axis=1, keepdims=True)
    u = np.where(mask, 0, (z - shift) / tau)
    e = np.where(mask, 0, np.exp(u))
    s = e.sum(axis=1, keepdims=True)
    return Distribution(e / s, np.where(mask, 0, u - np.log(s)), mask)


def standardised(z, mask):
    n = (~mask).sum(axis=1, keepdims=True)
    mean = np.where(mask, 0, z).sum(axis=1, keepdims=True) / n
    centred = np.where(mask, 0, z - mean)
    variance = (centred**2).sum(axis=1, keepdims=True) / np.maximum(n - 1, 1)
    sigma = np.sqrt(np.where(n < 2, 1, variance))
    return np.where((n < 2) | mask, 0, centred / (sigma + REAL(1e-7)))


def at(values, index):
    return values[np.arange(len(index)), index]


def one_hot(index, classes):
    return np.arange(classes)[None, :] == index[:, None]


def revised(spec, p, y, top, wrong):
    """p' and β; only the rows `wrong` change."""
    classes, rows = p.p.shape[1], wrong[:, None]
    is_y = one_hot(y, classes)
    parameter = f32(spec.parameter)
    beta = np.ones(len(y), REAL)
    if spec.revision == "label-revision":
        beta = parameter / (p.p.max(axis=1) - at(p.p, y) + 1)
        new = beta[:, None] * p.p + (1 - beta[:, None]) * is_y
        # Logarithms by the product, where the probability itself may underflow.
        log = np.log(beta)[:, None] + p.log
        mask = p.mask & ~is_y
    elif spec.revision == "probability-shift":
        order = np.tile(np.arange(classes), (len(y), 1))
        order[np.arange(len(y)), y] = top
        order[np.arange(len(y)), top] = y
        new, log, mask = (np.take_along_axis(a, order, 1) for a in (p.p, p.log, p.mask))
        is_y = np.zeros_like(is_y)
    elif spec.revision == "label-smoothing":
        others = (~p.mask & ~is_y).sum(axis=1, keepdims=True)
        new = np.where(is_y, 1 - parameter, parameter / np.maximum(others, 1))
        mask = p.mask & ~is_y
        log = np.log(new)
    else:
        return p, beta
    log = np.where(is_y, np.log(np.where(is_y, new, 1)), log)
    new, log = np.where(mask, 0, new), np.where(mask, 0, log)
    changed = (np.where(rows, a, b) for a, b in zip((new, log, mask), (p.p, p.log, p.mask)))
    return Distribution(*changed), np.where(wrong, beta, 1)


# --- Divergences: (value, infinite, slope where infinite) ---------------------------------------


def kl(a, b):
    shared = ~a.mask & ~b.mask
    value = np.where(shared, a.p * (a.log - b.log), 0).sum(axis=1)
    return value, (~a.mask & b.mask).any(axis=1)


def without(p, is_y):
    """(log of the rest, the rest's distribution, which rows have a rest)."""
    mask = p.mask | is_y
    some = ~mask.all(axis=1)
    # Rows without a rest are computed as if unmasked, and never used.
    safe = mask & some[:, None]
    shift = np.max(np.where(safe, -np.inf, p.log.real), axis=1, keepdims=True)
    s = np.where(safe, 0, np.exp(np.where(safe, 0, p.log - shift))).sum(axis=1, keepdims=True)
    log_rest = (shift + np.log(s))[:, 0]
    log = np.where(mask, 0, p.log - log_rest[:, None])
    return log_rest, Distribution(np.where(mask, 0, np.exp(log)), log, mask), some


def decoupled(side, p, q, y):
    is_y = one_hot(y, p.p.shape[1])
    alpha, beta = f32(side.alpha), f32(side.beta)
    p_rest, p_hat, p_some = without(p, is_y)
    q_rest, q_hat, q_some = without(q, is_y)
    value, infinite = np.zeros(len(y), q.p.dtype), np.zeros(len(y), bool)
    slope = np.zeros_like(q.p.real)
    if alpha != 0:
        p_y, q_y = ~at(p.mask, y), ~at(q.mask, y)
        target = at(p.p, y) * (at(p.log, y) - at(q.log, y))
        rest = np.exp(p_rest) * (p_rest - q_rest)
        value = value + alpha * (np.where(p_y & q_y, target, 0) + np.where(p_some & q_some, rest, 0))
        infinite |= (p_y & ~q_y) | (p_some & ~q_some)
        gap = alpha * (at(q.p, y) - at(p.p, y)).real[:, None]
        slope = slope + gap * (is_y - np.where(q_some[:, None], q_hat.p.real, 0))
    if beta != 0:
        among, broken = kl(p_hat, q_hat)
        value = value + beta * np.where(p_some & q_some, among, 0)
        infinite |= broken & p_some & q_some
        hats = (q_hat.p.real - p_hat.p.real) * (p_some & q_some)[:, None]
        slope = slope + beta * hats
    return value, infinite, slope


def divergence(side, p, q, y, labelled):
    """D without τ² of distributions; the slope is with respect to the tempered logits."""
    never = np.zeros(len(y), bool)
    none = np.zeros_like(q.p.real)
    if side.kind == "forward-kl":
        return *kl(p, q), (q.p - p.p).real
    if side.kind == "reverse-kl":
        return *kl(q, p), none
    if side.kind == "jensen-shannon":
        beta = f32(side.beta)
        m = beta * p.p + (1 - beta) * q.p
        mask = p.mask & q.mask
        # Where both probabilities underflow their terms are 0.
        empty = mask | (m == 0)
        mixture = Distribution(m, np.where(empty, 0, np.log(np.where(empty, 1, m))), mask)
        return beta * kl(p, mixture)[0] + (1 - beta) * kl(q, mixture)[0], never, none
    if side.kind == "total-variation":
        d = q.p - p.p
        return 0.5 * (np.sign(d.real) * d).sum(axis=1), never, none
    if side.kind == "mse-probs":
        return ((q.p - p.p) ** 2).mean(axis=1), never, none
    if side.kind == "decoupled":
        whole = divergence(Side("forward-kl"), p, q, y, labelled)
        split = decoupled(side, p, q, y)
        pick = [labelled, labelled, labelled[:, None]]
        return tuple(np.where(rows, a, b) for rows, a, b in zip(pick, split, whole))
    raise ValueError(side.kind)


# --- The batch ----------------------------------------------------------------------------------


@dataclass
class Facts:
    y: np.ndarray
    labelled: np.ndarray
    wrong: np.ndarray
    top: np.ndarray
    finite: np.ndarray
    student: np.ndarray  # rows that are not finite are replaced
    teacher: np.ndarray


def facts(case):
    legal = lambda x: (x < np.inf).all(axis=1) & np.isfinite(x).any(axis=1)
    finite = legal(case.student) & legal(case.teacher)
    clean = lambda x: np.where(finite[:, None], x, 0).astype(REAL)
    labelled = case.labels != IGNORE
    y = np.where(labelled, case.labels, 0)
    teacher = clean(case.teacher)
    wrong = labelled & finite & (at(teacher, y) < teacher.max(axis=1))
    return Facts(y, labelled, wrong, teacher.argmax(axis=1), finite, clean(case.student), teacher)


def inverse_counts(case, wrong):
    on = case.weight() != 0
    if case.spec.reduction == "sum":
        return np.ones(len(wrong), REAL)
    if case.spec.reduction == "mean":
        return np.full(len(wrong), REAL(1) / max(on.sum(), 1))
    right, wrongs = max((on & ~wrong).sum(), 1), max((on & wrong).sum(), 1)
    return np.where(wrong, REAL(1) / wrongs, REAL(1) / right)


def dtd_temperatures(case):
    """With the defaults: τ0 = 10, bias = 40, γ = 1, L1, τ_min = 1."""
    f = facts(case)
    part = f.finite & (case.weight() != 0)
    if case.spec.omega == "flsw":
        shared = np.isfinite(f.student) & np.isfinite(f.teacher)
        s, t = np.where(shared, f.student, 0), np.where(shared, f.teacher, 0)
        guard = REAL(1e-4)
        norm = lambda x: np.sqrt((x * x).sum(axis=1)) + guard
        omega = np.clip(1 - (s * t).sum(axis=1) / norm(s) / norm(t), 0, 2)
    else:
        omega = 1 / softmax(f.student, f.student == -np.inf, 1).p.max(axis=1)
    total = omega[part].sum()
    if total == 0:
        return np.full(len(part), REAL(10))
    omega = omega / total
    return np.where(part, np.maximum(1, 10 + 40 * (omega[part].mean() - omega)), 10)


def losses(case, tau, nudge=None):
    """Per row: kd, ce, loss (0·∞ = 0), β; `nudge` is what is added to the student's logits.

    Where kd or ce is infinite, what carries the nudge instead is a straight line with the agreed
    slope.
    """
    f, spec = facts(case), case.spec
    classes = f.student.shape[1]
    nudge = np.zeros_like(f.student) if nudge is None else nudge
    s_mask, t_mask = f.student == -np.inf, f.teacher == -np.inf
    s = np.where(s_mask, 0, f.student) + nudge
    t = np.where(t_mask, 0, f.teacher)
    column = tau[:, None]

    if spec.temperature == "standardised":
        z, z_target = standardised(s, s_mask), standardised(t, t_mask)
        line = np.where(s_mask, 0, z)
    else:
        z, z_target, line = s, t, s
    p, beta = revised(spec, softmax(z_target, t_mask, column), f.y, f.top, f.wrong)
    q = softmax(z, s_mask, column)

    def kd_of(side):
        if side.kind == "mse-logits":
            order = np.tile(np.arange(classes), (len(f.y), 1))
            if spec.revision == "probability-shift":
                rows = np.flatnonzero(f.wrong)
                order[rows, f.y[rows]], order[rows, f.top[rows]] = f.top[rows], f.y[rows]
            target, mask = (np.take_along_axis(a, order, 1) for a in (t, t_mask))
            d = np.where(mask | s_mask, 0, s - target)
            return (d**2).mean(axis=1), (mask != s_mask).any(axis=1), (2 / REAL(classes)) * d.real
        value, infinite, slope = divergence(side, p, q, f.y, f.labelled)
        squared = spec.squared and side.kind != "mse-probs"
        carried = tau**2 if squared else np.ones_like(tau)
        return value * carried, infinite, slope * (carried / tau)[:, None]

    sides = [kd_of(side) for side in (spec.right, spec.wrong)]
    pick = lambda i, rows: np.where(rows, sides[1][i], sides[0][i])
    kd, kd_infinite = pick(0, f.wrong), pick(1, f.wrong)
    slope = pick(2, f.wrong[:, None])
    kd = np.where(kd_infinite, (slope.real * line).sum(axis=1), kd)

    q1 = softmax(s, s_mask, REAL(1))
    ce_infinite = f.labelled & at(s_mask, f.y)
    agreed = q1.p.real - one_hot(f.y, classes)
    ce = np.where(ce_infinite, (agreed * s).sum(axis=1), -at(q1.log, f.y))
    ce = np.where(f.labelled, ce, 0)

    lam = lambda name: np.where(f.wrong, f32(getattr(spec.wrong, name)), f32(getattr(spec.right, name)))
    kd_factor = lam("lambda_kd") * case.kd_weight()
    ce_factor = np.where(f.labelled, lam("lambda_ce"), 0)
    carries_nudge = case.weight() * (kd_factor * kd + ce_factor * ce)
    on = case.weight() != 0
    infinite = on & ((kd_infinite & (kd_factor != 0)) | (ce_infinite & (ce_factor != 0)))
    return {
        "kd": np.where(kd_infinite, np.inf, kd.real),
        "ce": np.where(ce_infinite, np.inf, ce.real),
        "loss": np.where(infinite, np.inf, carries_nudge.real),
        "beta": beta,
        "nudged": carries_nudge,
        "near_kink": near_kink(p, q, spec, f.wrong),
    }


def near_kink(p, q, spec, wrong):
    """Rows under total variation in which q is so near p' that rounding decides the sign."""
    kind = np.where(wrong, spec.wrong.kind, spec.right.kind)
    gap = abs(q.p.real - p.p.real)
    near = (gap > 0) & (gap < 1e-5 * np.maximum(q.p.real, p.p.real))
    return (kind == "total-variation") & (near | (gap == 0) & ~q.mask).any(axis=1)


def gradient(case, tau):
    """∂total/∂s by complex steps: one class of all rows at a time, since rows are independent."""
    f = facts(case)
    scale = inverse_counts(case, f.wrong)
    g = np.zeros(case.student.shape, REAL)
    for c in range(case.student.shape[1]):
        nudge = np.zeros(case.student.shape, COMPLEX)
        nudge[:, c] = 1j * STEP
        g[:, c] = losses(case, tau, nudge)["nudged"].imag / STEP * scale
    g[~f.finite & (case.weight() != 0)] = np.nan
    g[case.weight() == 0] = 0
    return g


def scores(f):
    """The record's scores, by their definitions."""
    out = {}
    classes = f.student.shape[1]
    is_y = one_hot(f.y, classes)
    for who, x in (("teacher", f.teacher), ("student", f.student)):
        mask = x == -np.inf
        p = softmax(x, mask, REAL(1))
        out[who + "_confidence"] = p.p.max(axis=1)
        out[who + "_entropy"] = -(p.p * p.log).sum(axis=1)
        rival = np.where(is_y, -np.inf, np.where(mask, 0, p.p)).max(axis=1)
        if who == "teacher":
            ce = np.where(at(mask, f.y), np.inf, -at(p.log, f.y))
            out["teacher_ce"] = np.where(f.labelled, ce, 0)
            margin = at(p.p, f.y) - rival
            out["teacher_margin"] = np.where(f.labelled & (classes > 1), margin, 0)
        else:
            other = np.where(is_y, -np.inf, x).max(axis=1)
            with np.errstate(invalid="ignore"):
                margin = np.where(at(x, f.y) == other, 0, at(x, f.y) - other)
            out["student_logit_margin"] = np.where(f.labelled & (classes > 1), margin, 0)
            el2n = np.sqrt(((p.p - is_y) ** 2).sum(axis=1))
            out["el2n"] = np.where(f.labelled, el2n, 0)
    return out


def expected(case, tau):
    """(total, stats by name, gradient, rows whose gradient cannot be judged)."""
    f = facts(case)
    rows = losses(case, tau)
    stats = {name: rows[name] for name in ("loss", "kd", "ce", "beta")} | scores(f)
    stats["tau"] = tau
    on = case.weight() != 0
    for name in FLOATS:
        stats[name] = np.where(f.finite, stats[name].real, np.nan)
    stats["loss"] = np.where(on, stats["loss"], 0)
    tops = {"teacher_top": f.teacher.argmax(axis=1), "student_top": f.student.argmax(axis=1)}
    for name, top in tops.items():
        stats[name] = np.where(f.finite, top, 0xFFFFFFFF)
    infinite = (stats["kd"] == np.inf) | (stats["ce"] == np.inf)
    agree = tops["teacher_top"] == tops["student_top"]
    stats["flags"] = (
        WRONG * f.wrong
        + IGNORED * ~f.labelled
        + AGREE * (agree & f.finite)
        + NONFINITE * ~f.finite
        + INFINITE * (infinite & f.finite)
        + OFF * ~on
        + UNSELECTED * (case.kd_weight() == 0)
    )
    total = (stats["loss"] * inverse_counts(case, f.wrong))[on].sum()
    return total, stats, gradient(case, tau), rows["near_kink"] & f.finite


# --- Random cases -------------------------------------------------------------------------------


def random_inputs(rng, classes, rows=8, masks=True):
    """Rows of which about half are wrong; masks, a row without a label, one off, one NaN."""
    scale = rng.choice([1.0, 5.0, 30.0])
    draw = lambda: rng.normal(0, scale, (rows, classes)).astype(np.float32).astype(np.float64)
    student, teacher = draw(), draw()
    labels = teacher.argmax(axis=1)
    labels[::2] = (labels[::2] + rng.integers(1, max(classes, 2), labels[::2].shape)) % classes
    labels[5] = IGNORE
    if masks and classes > 2:
        student[0, rng.integers(classes)] = -np.inf
        teacher[1, rng.integers(classes)] = -np.inf
        shared = rng.integers(classes)
        student[2:4, shared] = teacher[2:4, shared] = -np.inf
        teacher[4, labels[4]] = -np.inf
    if masks:
        student[6, 0] = np.nan
    weights = rng.uniform(0.1, 2, rows).astype(np.float32)
    kd_weights = rng.uniform(0.1, 2, rows).astype(np.float32)
    weights[[3, 6]] = 0
    kd_weights[7] = 0
    return student, teacher, labels.astype(np.int32), weights, kd_weights


REVISIONS = [
    ("none", {}),
    ("label-revision", {"eta": 0.7}),
    ("probability-shift", {}),
    ("label-smoothing", {"epsilon": 0.2}),
]
DIVERGENCES = [
    ("forward-kl", {}),
    ("reverse-kl", {}),
    ("jensen-shannon", {"beta": 0.3}),
    ("total-variation", {}),
    ("mse-probs", {}),
    ("mse-logits", {}),
    ("decoupled", {"alpha": 0.5, "beta": 3}),
    ("decoupled", {"alpha": 0, "beta": 3}),
]


def specs():
    """(name, preset, settings, spec) of all presets, and of all that is legal in combination."""
    for preset, spec in PRESETS.items():
        yield preset, preset, [], spec
    for revision, own in REVISIONS:
        for divergence, parameters in DIVERGENCES:
            for temperature, tau in [("fixed", 1), ("fixed", 2.5), ("standardised", 3)]:
                logits = divergence == "mse-logits"
                if logits and (temperature != "fixed" or own):
                    continue
                squared = tau != 2.5
                reduction = {1: "sum", 2.5: "mean", 3: "mean-per-group"}[tau]
                settings = [f"revision.kind={revision}", f"divergence.kind={divergence}"]
                settings += [f"revision.{key}={value}" for key, value in own.items()]
                settings += [f"divergence.{key}={value}" for key, value in parameters.items()]
                settings += [f"temperature.kind={temperature}", f"temperature.tau={tau}"]
                settings += [f"temperature-squared={str(squared).lower()}", f"reduction={reduction}"]
                spec = Spec(
                    **both(kind=divergence, **parameters),
                    revision=revision,
                    parameter=next(iter(own.values()), 0.0),
                    temperature=temperature,
                    tau=tau,
                    squared=squared,
                    reduction=reduction,
                )
                name = " × ".join([revision, divergence, temperature])
                yield name, "kd", settings, spec


def cases(seed):
    rng = np.random.default_rng(seed)
    for name, preset, settings, spec in specs():
        for classes in (1, 2, 3, 10, 33):
            inputs = random_inputs(rng, classes)
            yield Case(f"{name}, V={classes}", preset, settings, spec, *inputs)
        student, teacher, labels, _, _ = random_inputs(rng, 7, masks=False)
        yield Case(f"{name}, no weights", preset, settings, spec, student, teacher, labels)


# --- Comparison ---------------------------------------------------------------------------------


@dataclass
class Mismatch:
    case: str
    field: str
    row: int
    ours: float
    theirs: float


def differ(ours, theirs, scale, tolerance=1e-10):
    """Where two arrays differ by more than `tolerance · scale`; NaN equals NaN, ∞ equals ∞."""
    ours, theirs = np.asarray(ours, REAL), np.asarray(theirs, REAL)
    with np.errstate(invalid="ignore"):
        near = abs(ours - theirs) <= tolerance * scale
    return ~(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))


def effective_tau(case, reported, found):
    """τ of every row; of DTD the program's own, once it is near what the definition gives."""
    if case.spec.temperature != "dtd":
        return np.full(len(case.labels), f32(case.spec.tau))
    tau, live = dtd_temperatures(case), facts(case).finite
    for row in np.flatnonzero(live & differ(tau, reported, np.maximum(1, abs(tau)), 1e-6)):
        found.append(Mismatch(case.name, "tau", row, tau[row], reported[row]))
    return np.where(live, np.asarray(reported, REAL), 1)


def compare(case, total, stats, grad):
    """All mismatches between a program's output for `case` and the definitions."""
    found = []
    tau = effective_tau(case, stats["tau"], found)
    our_total, our_stats, our_grad, skipped = expected(case, tau)
    if total is None:
        total = np.nan if np.isfinite(our_total) else our_total
    if differ(our_total, total, max(1, abs(our_total)) if np.isfinite(our_total) else 1):
        found.append(Mismatch(case.name, "total", -1, our_total, total))
    for name in [*FLOATS, "teacher_top", "student_top", "flags"]:
        ours, theirs = our_stats[name], stats[name]
        with np.errstate(invalid="ignore"):
            scale = np.maximum(1, abs(np.where(np.isfinite(ours), ours, 1)))
        for row in np.flatnonzero(differ(ours, theirs, scale)):
            found.append(Mismatch(case.name, name, row, ours[row], theirs[row]))
    if grad.shape != our_grad.shape:
        return [*found, Mismatch(case.name, "grad's shape", -1, our_grad.size, grad.size)]
    for row in np.flatnonzero(~skipped):
        scale = max(1e-3, abs(np.nan_to_num(our_grad[row])).max())
        for c in np.flatnonzero(differ(our_grad[row], grad[row], scale)):
            found.append(Mismatch(case.name, f"grad[{c}]", row, our_grad[row, c], grad[row, c]))
    return found


def run_program(binary, case, folder):
    folder = Path(folder)
    command = [binary, "loss", "--preset", case.preset, "--engine", "reference"]
    inputs = [("student", case.student), ("teacher", case.teacher), ("labels", case.labels)]
    inputs += [("weights", case.weights), ("kd-weights", case.kd_weights)]
    for name, values in inputs:
        if values is not None:
            np.save(folder / f"{name}.npy", values)
            command += [f"--{name}", folder / f"{name}.npy"]
    for setting in case.settings:
        command += ["--set", setting]
    out = folder / "out"
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
    # JSON has no NaN and no ∞: null stands for either, but a name or Python's spelling will do.
    total = json.loads((out / "summary.json").read_text())["total"]
    return total if total is None else float(total), np.load(out / "stats.npy"), np.load(out / "grad.npy")


def report(found, checked, limit=40):
    if not found:
        print(f"{checked} cases agree")
        return 0
    print(f"{len(found)} values differ in {len({m.case for m in found})} of {checked} cases")
    print(f"{'case':<52} {'row':>4} {'field':<22} {'expected':>24} {'program':>24}")
    for m in found[:limit]:
        print(f"{m.case:<52} {m.row:>4} {m.field:<22} {float(m.ours):>24.16g} {float(m.theirs):>24.16g}")
    if len(found) > limit:
        print(f"… and {len(found) - limit} more")
    return 1


# --- This file's own checks ---------------------------------------------------------------------


def torch_gradient(torch, case, tau):
    """A third opinion: unmasked rows in float64 by torch's automatic differentiation."""
    spec, f = case.spec, facts(case)
    F = torch.nn.functional
    tensor = lambda x: torch.tensor(np.asarray(x, np.float64))
    s = tensor(case.student).requires_grad_()
    t, tau = tensor(case.teacher), tensor(tau)[:, None]
    y, labelled, wrong = torch.tensor(f.y).long(), torch.tensor(f.labelled), torch.tensor(f.wrong)
    norm = lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-7)
    standard = spec.temperature == "standardised"
    student, teacher = (norm(s), norm(t)) if standard else (s, t)
    p = torch.softmax(teacher / tau, 1)
    hot = F.one_hot(y, s.shape[1]).double()
    parameter = float(f32(spec.parameter))
    if spec.revision == "label-revision":
        beta = parameter / (p.amax(1) - (p * hot).sum(1) + 1)
        new = beta[:, None] * p + (1 - beta[:, None]) * hot
    elif spec.revision == "label-smoothing":
        new = (1 - parameter) * hot + parameter / max(s.shape[1] - 1, 1) * (1 - hot)
    elif spec.revision == "probability-shift":
        top = F.one_hot(torch.tensor(f.top), s.shape[1]).double()
        swap = (top - hot) * ((p * hot).sum(1, keepdim=True) - (p * top).sum(1, keepdim=True))
        new = p + swap
    else:
        new = p
    p = torch.where(wrong[:, None], new, p).detach()
    log_q = torch.log_softmax(student / tau, 1)
    q = log_q.exp()

    def term(side):
        forward = F.kl_div(log_q, p, reduction="none").sum(1)
        if side.kind == "forward-kl":
            return forward
        if side.kind == "reverse-kl":
            return (q * (log_q - p.log())).sum(1)
        if side.kind == "jensen-shannon":
            beta = float(f32(side.beta))
            m = beta * p + (1 - beta) * q
            parts = beta * p * (p / m).log() + (1 - beta) * q * (q / m).log()
            return parts.sum(1)
        if side.kind == "total-variation":
            return 0.5 * (q - p).abs().sum(1)
        if side.kind == "mse-probs":
            return ((q - p) ** 2).mean(1)
        if side.kind == "mse-logits":
            order = torch.arange(s.shape[1]).repeat(len(y), 1)
            if spec.revision == "probability-shift":
                rows = torch.arange(len(y))[wrong]
                top = torch.tensor(f.top)
                order[rows, y[rows]], order[rows, top[rows]] = top[rows], y[rows]
            return ((s - t.gather(1, order)) ** 2).mean(1)
        p_y, q_y = (p * hot).sum(1), (q * hot).sum(1)
        pair = p_y * (p_y / q_y).log() + (1 - p_y) * ((1 - p_y) / (1 - q_y)).log()
        hat = lambda x: x * (1 - hot) / (x * (1 - hot)).sum(1, keepdim=True)
        among = (hat(p) * ((hat(p) + hot) / (hat(q) + hot)).log()).sum(1)
        split = float(f32(side.alpha)) * pair + float(f32(side.beta)) * among
        return torch.where(labelled, split, forward)

    def kd_of(side):
        squared = spec.squared and not side.kind.startswith("mse")
        return term(side) * (tau[:, 0] ** 2 if squared else 1)

    lam = lambda name: torch.where(wrong, *(float(f32(getattr(x, name))) for x in (spec.wrong, spec.right)))
    kd = torch.where(wrong, kd_of(spec.wrong), kd_of(spec.right))
    ce = F.cross_entropy(s, y, reduction="none") * labelled
    loss = lam("lambda_kd") * tensor(case.kd_weight()) * kd + lam("lambda_ce") * ce
    (loss * tensor(case.weight()) * tensor(inverse_counts(case, f.wrong))).sum().backward()
    return s.grad.numpy()


def central_differences(case, tau, step=1e-6):
    g = np.zeros(case.student.shape, REAL)
    scale = inverse_counts(case, facts(case).wrong)
    for c in range(g.shape[1]):
        sides = []
        for sign in (1, -1):
            moved = np.zeros(case.student.shape, REAL)
            moved[:, c] = sign * step
            sides.append(losses(case, tau, moved)["nudged"].real)
        g[:, c] = (sides[0] - sides[1]) / (2 * step) * scale
    return g


def own_tau(case):
    dtd = case.spec.temperature == "dtd"
    return dtd_temperatures(case) if dtd else np.full(len(case.labels), f32(case.spec.tau))


def as_program(case):
    """This file's own output in the program's form."""
    tau = own_tau(case).astype(np.float32).astype(np.float64)
    total, stats, grad, _ = expected(case, tau.astype(REAL))
    return float(total), {k: np.asarray(v, np.float64) for k, v in stats.items()}, grad.astype(np.float64)


def self_test():
    try:
        import torch
    except ImportError:
        torch = None
    rng = np.random.default_rng(7)
    problems = 0
    for name, preset, settings, spec in specs():
        # Gradients, where there is nothing but smooth mathematics.
        student, teacher, labels, weights, kd_weights = random_inputs(rng, 5, masks=False)
        student, teacher = student / 10, teacher / 10
        case = Case(name, preset, settings, spec, student, teacher, labels, weights, kd_weights)
        tau = own_tau(case)
        judged = ~losses(case, tau)["near_kink"]
        ours = gradient(case, tau)
        opinions = [("differences", central_differences(case, tau), 1e-6)]
        if torch:
            opinions.append(("torch", torch_gradient(torch, case, tau), 1e-9))
        for who, theirs, tolerance in opinions:
            wrong = abs(ours - theirs)[judged].max() > tolerance * max(1, abs(ours).max())
            problems += wrong
            if wrong:
                print(f"{name}: complex steps and {who} differ")
        # The comparison finds nothing in its own output, and finds each planted defect.
        case = Case(name, preset, settings, spec, *random_inputs(rng, 5))
        total, stats, grad = as_program(case)
        clean = compare(case, total, stats, grad)
        bent = grad.copy()
        bent[7, 2] += 1e-6
        flagged = dict(stats, flags=stats["flags"] + (np.arange(8) == 2))
        planted = [(total, stats, bent), (-1.0, stats, grad), (total, flagged, grad)]
        skipped = losses(case, np.nan_to_num(stats["tau"], nan=1).astype(REAL))["near_kink"][7]
        caught = [bool(compare(case, *output)) for output in planted]
        if clean or not all(caught[int(skipped) :]):
            problems += 1
            print(f"{name}: the comparison found {clean} in its own output, caught {caught}")
    print("self-test", "failed" if problems else "passed", "with torch" if torch else "without torch")
    return int(problems > 0)


# --- Golden vectors -----------------------------------------------------------------------------


def number(x):
    """JSON has no NaN and no infinity."""
    return float(x) if np.isfinite(x) else str(float(x))


def golden(path, seed=3):
    """Writes one small batch per preset with what the definitions make of it."""
    rng = np.random.default_rng(seed)
    written = []
    for preset, spec in PRESETS.items():
        if spec.temperature == "dtd":
            continue  # an engine's own temperatures decide there
        student, teacher, labels, weights, kd_weights = random_inputs(rng, 10)
        case = Case(preset, preset, [], spec, student, teacher, labels, weights, kd_weights)
        total, stats, grad, _ = expected(case, own_tau(case))
        numbers = lambda values: [number(x) for x in np.asarray(values).ravel()]
        written.append(
            {
                "preset": preset,
                "classes": 10,
                "student": numbers(student),
                "teacher": numbers(teacher),
                "labels": labels.tolist(),
                "weight": numbers(weights),
                "kd_weight": numbers(kd_weights),
                "total": number(total),
                "stats": {name: numbers(stats[name]) for name in FLOATS},
                "tops": np.array([stats["teacher_top"], stats["student_top"]]).T.tolist(),
                "flags": np.asarray(stats["flags"]).tolist(),
                "gradient": numbers(grad),
            }
        )
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in written) + "\n]\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, help="the program fused-kd")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--self-test", action="store_true", help="check this file alone")
    parser.add_argument("--golden", type=Path, help="write golden vectors to this file")
    arguments = parser.parse_args()
    if arguments.golden is not None:
        return golden(arguments.golden)
    if arguments.self_test:
        return self_test()
    if arguments.binary is None:
        parser.error("--binary PATH or --self-test")
    found, checked = [], 0
    for case in cases(arguments.seed):
        with tempfile.TemporaryDirectory() as folder:
            output = run_program(arguments.binary.resolve(), case, folder)
        found += compare(case, *output)
        checked += 1
    return report(found, checked)


if __name__ == "__main__":
    sys.exit(main())
