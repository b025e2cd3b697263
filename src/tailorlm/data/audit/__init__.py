"""Labels and balance: what is wrong with a set of rows before anything learns from it.

`audit` runs every check and returns findings, worst first; `likely_errors` and `leaks` are its two searches by
themselves. One file a check in `checks/`.
"""

from tailorlm.data.audit.finding import SEVERITIES, Finding
from tailorlm.data.audit.leaks import Leak, leaks
from tailorlm.data.audit.likely import LikelyErrors, likely_errors
from tailorlm.data.audit.run import audit
from tailorlm.data.audit.subject import AuditSettings

__all__ = ["SEVERITIES", "AuditSettings", "Finding", "Leak", "LikelyErrors", "audit", "leaks", "likely_errors"]
