"""Sends notifications to http and https subscribers."""

from __future__ import annotations

from http import HTTPStatus

from undercroft.core.errors import InvalidInput, Unavailable
from undercroft.engines.addresses import Forbidden
from undercroft.engines.pauses import retry_after
from undercroft.engines.webhooks import Answered, Poster
from undercroft.messaging.delivery import form, uris
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome

# Answers that say "not now", beside those of 500 and more.
_NOT_NOW = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
# Seconds that a receiver may ask to wait.
_LONGEST_WAIT = 3_600


class WebhookSender:
    """POSTs notifications.

    Args:
        poster: sends requests.
    """

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    def send(self, notification: Notification) -> Outcome:
        """See `notification.Sender`."""
        try:
            receiver = uris.receiver(notification.subscriber)
            posted = form.body(notification)
            headers = form.headers(notification, posted, receiver.login)
            answered = self._poster.post(receiver.target, headers, posted)
        except (Forbidden, InvalidInput) as error:
            return Outcome(Kind.REFUSED, str(error))
        except Unavailable as error:
            return Outcome(Kind.RETRY, str(error))
        return _outcome(answered)


def _outcome(answered: Answered) -> Outcome:
    """What an answer means: as the host, 4xx is final; a redirect is not followed, and final, too."""
    status = answered.status
    if 200 <= status < 300:
        return Outcome(Kind.DELIVERED)
    if status < 200 or status >= 500 or status in _NOT_NOW:
        wait = retry_after(answered.retry_after)
        return Outcome(Kind.RETRY, f"the answer is {status}", None if wait is None else min(round(wait), _LONGEST_WAIT))
    what = "a redirect, which is not followed" if 300 <= status < 400 else "final"
    return Outcome(Kind.REFUSED, f"the answer is {status}, {what}")
