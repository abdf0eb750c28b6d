// Sends one message with nodemailer and prints what went wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const require = createRequire(new URL("../../clients/", import.meta.url));
const nodemailer = require("nodemailer");

const env = process.env;
const tls = env.SMTP_TLS === "tls";
const transport = nodemailer.createTransport({
  host: "localhost",
  port: Number(env.SMTP_PORT),
  secure: tls,
  requireTLS: !tls,
  tls: { ca: readFileSync(env.SMTP_CA_FILE) },
  auth: { user: "user@corp.com", pass: env.SMTP_PASSWORD },
  connectionTimeout: 3000,
  greetingTimeout: 3000,
  socketTimeout: 3000,
});
try {
  await transport.sendMail({ from: "user@corp.com", to: "x@corp.com", subject: "t", text: "hi" });
} catch (error) {
  console.error(String(error), JSON.stringify({ code: error.code, command: error.command }));
  process.exitCode = 1;
}
