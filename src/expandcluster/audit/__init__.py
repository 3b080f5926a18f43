"""How exactly a model can be recovered from its answers, against query budget and defences.

    run_audit(open_subject("model.onnx"), Attack("tanh", 1), AuditOptions(), Path("runs/audit"))
"""

from __future__ import annotations

from expandcluster.audit.defences import Defence, Defended, parse_defence
from expandcluster.audit.rows import AuditRow
from expandcluster.audit.run import Audit, AuditOptions, run_audit
from expandcluster.audit.subject import Attack, Subject, open_subject
from expandcluster.audit.summary import limits, summarise

__all__ = [
    "Attack", "Audit", "AuditOptions", "AuditRow", "Defence", "Defended", "Subject", "limits", "open_subject",
    "parse_defence", "run_audit", "summarise",
]
