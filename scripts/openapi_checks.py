"""For schemathesis: how NDJSON is sent, and a check.

The check: a 5xx that says more than "not supported". 501 is a final answer of the contract.
"""

import schemathesis


@schemathesis.check
def no_server_error(ctx, response, case):
    status = response.status_code
    assert status < 500 or status == 501, f"the hook answered {status}"


@schemathesis.serializer("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
def ndjson(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
