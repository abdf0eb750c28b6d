import pillarbox

message = pillarbox.Message(
    sender="App <app@example.org>",
    to="Ann <ann@example.net>",
    subject="Report",
    text="All is well.",
)
with pillarbox.connect("submission://smtp.example.org", auth=("app@example.org", "...")) as client:
    client.send(message)
