"""Inside Zaqar: a message store and a management store, in Zaqar's own form, over any store of `undercroft.messaging`.

`[drivers] message_store` and `management_store` name them: `undercroft`, whose option `uri` is one of our URLs, or the scheme of a
pool's URI, such as `undercroft+postgresql`. The two may be one database or two. Zaqar has no step that makes tables:
`undercroft db upgrade` does. Neither does Zaqar remove what has expired: `undercroft worker` does.
"""
