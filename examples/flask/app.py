"""A web service that mails: Flask with one client for all threads.

    $ pip install flask pillarbox
    $ export MAIL_SERVER=submissions://smtp.example.org MAIL_USER=app@example.org MAIL_PASSWORD=...
    $ flask --app examples/flask/app.py run
    $ curl -d to=ann@example.net -d subject=Hi -d text=Hello http://127.0.0.1:5000/letters

Errors of the log go to MAIL_ADMIN by mail, many in one message, without a wait for any request.
"""

import logging
import os

from flask import Flask, Response, jsonify, request

import pillarbox
from pillarbox.logs import MailHandler

RETRY_SECONDS = 60


def create_app() -> Flask:
    """The service; the first letter connects."""
    app = Flask(__name__)
    user = os.environ["MAIL_USER"]
    sender = os.environ.get("MAIL_SENDER", user)
    client = pillarbox.connect(
        os.environ["MAIL_SERVER"],
        auth=(user, os.environ["MAIL_PASSWORD"]),
        ca_file=os.environ.get("MAIL_CA_FILE", ""),
    )
    app.extensions["pillarbox"] = client
    if "MAIL_ADMIN" in os.environ:
        handler = MailHandler(client=client, sender=sender, to=os.environ["MAIL_ADMIN"])
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        app.logger.addHandler(handler)

    @app.post("/letters")
    def post_letter() -> tuple[Response, int, dict[str, str]]:
        """Mail a letter."""
        form = request.form
        try:
            result = client.send(
                pillarbox.Message(
                    sender=sender,
                    to=form["to"],
                    subject=form["subject"],
                    text=form["text"],
                )
            )
        except pillarbox.ClientError as error:
            return _answer(app, error)
        return jsonify({one.address: one.text for one in result}), 200, {}

    return app


def _answer(app: Flask, error: pillarbox.ClientError) -> tuple[Response, int, dict[str, str]]:
    """422 for what is refused, 503 for what may go later, or when somebody has mended it."""
    is_refused = isinstance(error, pillarbox.MessageRefused | pillarbox.ArgumentError)
    if is_refused and not error.is_transient:
        return jsonify({"code": error.code, "error": str(error)}), 422, {}
    app.logger.error("mail does not go: %s", error)
    seconds = str(int(error.retry_after or RETRY_SECONDS))
    return jsonify({"code": error.code}), 503, {"Retry-After": seconds}
