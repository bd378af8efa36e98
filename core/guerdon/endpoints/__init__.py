"""Models that others serve over HTTP: asked within limits, again where it is worth it, and once.

For plugins that ask such models: samplers, judges and preference models alike. The client is aiohttp, an optional
package that is imported when an endpoint is opened: openai's own takes several times the CPU time for a request, too
much for 64 at once.
"""

from guerdon.endpoints.allowance import Allowance
from guerdon.endpoints.asking import Endpoint, Refused
from guerdon.endpoints.cache import Cache
from guerdon.endpoints.options import OPENAI, EndpointOptions, Sent, ServerOptions
from guerdon.endpoints.reading import Malformed, Message, choices_of, message_of

__all__ = [
    "OPENAI",
    "Allowance",
    "Cache",
    "Endpoint",
    "EndpointOptions",
    "Malformed",
    "Message",
    "Refused",
    "Sent",
    "ServerOptions",
    "choices_of",
    "message_of",
]
