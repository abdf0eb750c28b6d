from pathlib import Path

import pillarbox

with (
    pillarbox.connect("submission://smtp.example.org", auth=("app@example.org", "...")) as client,
    Path("message.eml").open("rb") as file,
):
    client.send(
        file,
        sender="app@example.org",
        recipients=["ann@example.net"],
        dsn=pillarbox.Dsn(notify=["failure", "delay"], ret="headers", envelope_id="4711"),
    )
