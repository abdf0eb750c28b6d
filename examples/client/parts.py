import pillarbox

message = pillarbox.Message(
    sender=("The shop", "shop@example.org"),
    to="Ann <ann@example.net>",
    reply_to="help@example.org",
    subject="Your order",
    text="Thank you. The bill is attached.",
    headers={"X-Order": "4711"},
)
logo = message.inline("logo.png")
message.set_html(f'<img src="{logo}"><p>Thank you. The bill is attached.</p>')
message.attach("bill.pdf")
message.attach(b"item,price\nlamp,20\n", name="items.csv")

with pillarbox.connect("submission://smtp.example.org", auth=("shop@example.org", "...")) as client:
    client.send(message)
