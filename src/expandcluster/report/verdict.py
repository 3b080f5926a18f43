"""The first section of a report: the verdict in plain words, and each check behind it."""

from __future__ import annotations

import dataclasses

import numpy as np

from expandcluster.certify import _MOST_EXPLAINED, _SURE, _UNLUCKY
from expandcluster.queries.probe import Probe
from expandcluster.report.html import NONE, Html, details, element, join, number, paragraph, plural, table
from expandcluster.results import Recovery, Verdict

__all__ = ["Check", "checks", "verdict_section"]

_TONES = {Verdict.EXACT: ("good", "✓"), Verdict.CANNOT_IMITATE: ("bad", "✗"), Verdict.TOO_FEW_QUERIES: ("bad", "✗")}
_WORDS = {
    "teacher": "the model that is to be recovered; nothing but its answers was used.",
    "student": "a network trained to give the teacher's answers. Many are trained; what they agree on is kept.",
    "relative loss": "mean squared difference between a network's answers and the teacher's, over the variance of the "
                     "teacher's answers: 1 is no better than always giving the mean, 1e-20 is the same to ten digits.",
    "noise floor": "the smallest relative loss that the teacher's own precision allows, as its answers are rounded.",
    "error bar": "one standard deviation of a weight or bias, from how much the answers fix it.",
    "support": "the number of students in which a neuron was found.",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        question: in plain words.
        found: what was found.
        needed: what it takes to pass.
        passed: whether it did.
    """

    question: str
    found: str
    needed: str
    passed: bool


def checks(recovery: Recovery, probe: Probe, enough: int) -> list[Check]:
    """What the verdict was decided by, in the same order and by the same bounds as :func:`expandcluster.certify.judge`.

    Args:
        recovery: the result.
        probe: the teacher's precision.
        enough: students at the floor that the run aimed for.
    """
    certificate = recovery.certificate
    if certificate is None:
        imitates = recovery.students_at_floor > 0
        return [Check("Does any student answer as the teacher does?",
                      "no student was trained" if not len(recovery.losses) else
                      f"best relative loss {number(recovery.relative_loss)}" + (
                          "" if imitates or not recovery.relative_loss <= probe.floor else
                          ", but not on inputs that were kept aside"),
                      f"{number(probe.floor)} or less", imitates),
                Check("Do the students agree on the same neurons?",
                      "no network could be built from them" if imitates else "not looked at",
                      "a network", False)]
    allowed = max(probe.allowed, min(_UNLUCKY * certificate.explained, _MOST_EXPLAINED))
    few = min(enough, 3)
    found = [
        Check("Does the network answer as the teacher does, on inputs it was not fitted to?",
              f"relative loss {number(certificate.relative_loss)}" + (
                  f"; {certificate.unjudged:,} more inputs tell nothing, their answers depend on what is not determined"
                  if certificate.unjudged else ""), f"{number(allowed)} or less",
              certificate.relative_loss <= allowed),
        Check("Do the queries determine every weight and bias?",
              f"{len(certificate.undetermined):,} of {_parameters(recovery):,} undetermined", "none",
              not certificate.undetermined),
        Check("Did independent students find the same neurons?",
              f"every neuron in at least {certificate.support} of {plural(certificate.students, 'student')}"
              if certificate.support else "some neurons in none: few inputs switch them, they follow from the others",
              f"{few} or more", certificate.support >= few),
        Check("How exact is the least certain parameter?",
              f"{number(certificate.largest_error_bar)} of the largest one",
              f"{number(probe.tolerance / _SURE)} or less",
              _SURE * certificate.largest_error_bar <= probe.tolerance),
    ]
    if probe.changing:
        found.append(Check("Does the teacher give the same answer twice?", "no", "yes", False))
    return found


def verdict_section(recovery: Recovery, probe: Probe, enough: int) -> Html:
    """Headline, what happened, the main numbers, the checks, and the words used."""
    tone, sign = _TONES.get(recovery.verdict, ("doubt", "!"))
    head = recovery.verdict.name.replace("_", " ").capitalize()
    rows = [(check.question, "✓ passed" if check.passed else "✗ failed", check.found, check.needed)
            for check in checks(recovery, probe, enough)]
    glossary = element("dl", *(element("div", element("dt", word), element("dd", meaning))
                               for word, meaning in _WORDS.items()), class_="words")
    return join([
        element("div", element("p", element("strong", f"{sign} {head}")), element("p", recovery.verdict.value),
                class_=f"verdict {tone}"),
        paragraph(*_summary(recovery)), _facts(recovery),
        table("Evidence: what was checked", ("question", "result", "found", "needed"), rows),
        details("Words used on this page", glossary),
    ])


def _summary(recovery: Recovery) -> list[str]:
    """What happened, in sentences."""
    students = len(recovery.losses)
    words = [f"The teacher's answers to {plural(recovery.queries, 'input')} were used, and " + (
        f"{plural(students, 'student')} {'was' if students == 1 else 'were'} trained to answer as it does." if students
        else "no student was trained.")]
    if recovery.network is None:
        words.append("No network was built.")
        if np.isfinite(recovery.relative_loss):
            words.append(f"The best student has a relative loss of {number(recovery.relative_loss)}; the teacher's "
                         f"precision allows {number(recovery.noise_floor)}.")
    else:
        words.append(f"They led to a network with layer sizes {'-'.join(map(str, recovery.network.sizes))}, "
                     f"{plural(recovery.network.parameters, 'parameter')} in all.")
    if recovery.told_by:
        words.append(f"What the teacher answers ({recovery.output}): {recovery.told_by}.")
    if recovery.output != "raw":
        words.append(f"The network is the one before the {recovery.output} function of the answers.")
    if recovery.hidden_by_output:
        words.append(f"Hidden by {recovery.output}: {recovery.hidden_by_output}.")
    if recovery.equally_good:
        words.append("Others explain the answers as well: " + "; ".join(e.words for e in recovery.equally_good) + ".")
    return words


def _facts(recovery: Recovery) -> Html:
    certificate = recovery.certificate
    facts = {"layer sizes": "-".join(map(str, recovery.network.sizes)) if recovery.network else "none",
             "parameters": f"{_parameters(recovery):,}" if recovery.network else NONE,
             "relative loss": number(recovery.relative_loss),
             "noise floor": number(recovery.noise_floor),
             "largest error bar": number(certificate.largest_error_bar if certificate else None),
             "teacher's answers": recovery.output,
             "queries": f"{recovery.queries:,}", "time": f"{recovery.seconds:,.1f} s"}
    return element("dl", *(element("div", element("dt", k), element("dd", v)) for k, v in facts.items()),
                   class_="facts")


def _parameters(recovery: Recovery) -> int:
    return 0 if recovery.network is None else recovery.network.parameters
