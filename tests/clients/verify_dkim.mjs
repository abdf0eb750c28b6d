// Verifies the DKIM signatures of the files given after the file of records (JSON: name -> TXT).
// Prints one line of JSON for each: the results for the domain in SIGNING_DOMAIN, in order.
import { readFileSync } from "node:fs";
import verification from "mailauth/lib/dkim/verify.js";

const [recordsFile, ...files] = process.argv.slice(2);
const records = JSON.parse(readFileSync(recordsFile, "utf8"));

async function resolver(name, type) {
  if (type === "TXT" && records[name]) return [[records[name]]];
  throw Object.assign(new Error(`no ${type} of ${name}`), { code: "ENOTFOUND" });
}

for (const file of files) {
  const found = await verification.dkimVerify(readFileSync(file), { resolver });
  const ours = found.results.filter((one) => one.signingDomain === process.env.SIGNING_DOMAIN);
  console.log(JSON.stringify(ours.map((one) => one.status.result)));
}
