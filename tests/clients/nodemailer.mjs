// Composes a message with nodemailer and sends it. The settings come from the environment; what
// was composed is written to SENT_FILE.
import { readFileSync, writeFileSync } from "node:fs";
import nodemailer from "nodemailer";

const env = process.env;
const implicit = env.SMTP_TLS === "tls";

const composer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
const composed = await composer.sendMail({
  from: `The App <${env.LETTER_FROM}>`,
  to: env.LETTER_TO,
  subject: "Grüße from Node",
  text: readFileSync(env.LETTER_TEXT_FILE, "utf8"),
  headers: { "X-Marker": env.LETTER_MARKER },
  attachments: [{ filename: "Übersicht.bin", content: Buffer.from([...Array(256).keys()]) }],
});
writeFileSync(env.SENT_FILE, composed.message);

const transport = nodemailer.createTransport({
  host: env.SMTP_HOST,
  port: Number(env.SMTP_PORT),
  secure: implicit,
  requireTLS: !implicit,
  tls: { ca: readFileSync(env.SMTP_CA_FILE) },
  auth: env.SMTP_TOKEN
    ? { type: "OAuth2", user: env.SMTP_USER, accessToken: env.SMTP_TOKEN }
    : { user: env.SMTP_USER, pass: env.SMTP_PASSWORD },
});
await transport.sendMail({
  envelope: { from: env.LETTER_FROM, to: [env.LETTER_TO] },
  raw: composed.message,
});
transport.close();
