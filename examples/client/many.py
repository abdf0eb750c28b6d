import pillarbox

names = ["ann", "bob", "carol"]
letters = (
    pillarbox.Mail(
        f"To: {name}@example.net\nSubject: Hello\n\nHello {name}\n".encode(),
        sender="app@example.org",
        recipients=f"{name}@example.net",
    )
    for name in names
)
with pillarbox.connect("smtps://smtp.example.org", auth=("app@example.org", "...")) as client:
    for name, result in zip(names, client.send_all(letters), strict=True):
        print(name, "sent" if result.error is None else result.error)
