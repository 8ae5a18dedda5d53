"""What schemathesis is told about our bodies (SCHEMATHESIS_HOOKS)."""

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
