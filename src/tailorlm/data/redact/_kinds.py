"""The kinds of identifiers by name: one file each, one line each in the table."""

from tailorlm.core.registry import Registry
from tailorlm.data.redact import national

# In the order of precedence: where two finds overlap, the upper one gives its name to both.
TABLE = {
    "api_key": "tailorlm.data.redact.api_key:ApiKey",
    "url_login": "tailorlm.data.redact.url_login:UrlLogin",
    "email": "tailorlm.data.redact.email:Email",
    "iban": "tailorlm.data.redact.iban:Iban",
    "card": "tailorlm.data.redact.card:Card",
    "ip": "tailorlm.data.redact.ip:Ip",
    "mac": "tailorlm.data.redact.mac:Mac",
    "secret": "tailorlm.data.redact.secret:Secret",
    "phone": "tailorlm.data.redact.phone:Phone",
}
KINDS = Registry("kind of identifier", TABLE | national.TABLE, "tailorlm.redact")
GROUPS = {"national_id": tuple(national.TABLE)}
"""Names that stand for several kinds."""
