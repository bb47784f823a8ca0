"""The HTTP front: an ASGI application between the server and the service, which lets no slow client hold a thread.

`bridge` is what a server runs; `exchange` is one request and its answer, `inbox` what the client sends, `environ` the request as
WSGI has it, `threads` what the application runs in. Decision 14 tells why it is there.
"""
