// Sends messages with nodemailer and tells what it took: what bench/client_drivers.py does for the
// clients of Python. The task comes as JSON.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const task = JSON.parse(process.argv[2]);
const sender = "app@sender.example";
const recipient = "ann@recipient.example";
const line = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,;:!?\r\n";
const header = `From: ${sender}\r\nTo: ${recipient}\r\nSubject: benchmark\r\n\r\n`;
const lines = Math.floor(Math.max(task.octets - header.length, 0) / line.length) + 1;
const raw = Buffer.from(header + line.repeat(lines));
const envelope = { from: sender, to: [recipient] };

const options = {
  host: "127.0.0.1",
  port: task.port,
  secure: task.ca_file !== "",
  ignoreTLS: task.ca_file === "",
  tls: task.ca_file === "" ? undefined : { ca: readFileSync(task.ca_file) },
};
const transport = nodemailer.createTransport(
  task.is_kept ? { ...options, pool: true, maxConnections: 1, maxMessages: Infinity } : options,
);

async function once(messages) {
  for (let number = 0; number < messages; number += 1) {
    if (task.is_composed) {
      const text = line.repeat(Math.floor(task.octets / line.length)).replaceAll("\r\n", "\n");
      await transport.sendMail({ from: sender, to: recipient, subject: "benchmark", text });
    } else {
      await transport.sendMail({ envelope, raw });
    }
  }
}

await once(task.warm_up);
const begun = process.hrtime.bigint();
const computed = process.cpuUsage();
await once(task.messages);
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
const used = process.cpuUsage(computed);
const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "ascii"));
console.log(
  JSON.stringify({
    seconds,
    cpu_seconds: (used.user + used.system) / 1e6,
    peak_octets: Number(peak[1]) * 1024,
  }),
);
transport.close();
