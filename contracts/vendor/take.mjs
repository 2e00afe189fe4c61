// Takes Seaport 1.6 and its conduit controller out of the npm package that carries them compiled, after checking that the
// package is the one that was published.
//   npm pack @opensea/seaport-js@4.3.0 && node vendor/take.mjs opensea-seaport-js-4.3.0.tgz
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const INTEGRITY = "rRUiqMX9Dqo7bj+UYRZtO5mOZeRTfFQpCan21qgWCWDNno+PV7KYHsGJCWsxJc5ga84+o60uAxPP6achZE6C3g==";
const FILES = {
  Seaport: "Seaport.sol/Seaport.json",
  LocalConduitController: "conduit/ConduitController.sol/LocalConduitController.json",
};

const [archive] = process.argv.slice(2);
const found = createHash("sha512").update(readFileSync(archive)).digest("base64");
if (found !== INTEGRITY) throw new Error(`${archive} is not the package that was published: ${found}`);
for (const [name, path] of Object.entries(FILES)) {
  const inside = `package/src/artifacts/seaport/contracts/${path}`;
  const text = execFileSync("tar", ["-xOzf", archive, inside], { maxBuffer: 1 << 24, encoding: "utf8" });
  const { abi, bytecode, deployedBytecode } = JSON.parse(text);
  const kept = `${JSON.stringify({ abi, bytecode, deployedBytecode }, null, 2)}\n`;
  writeFileSync(join(dirname(fileURLToPath(import.meta.url)), `${name}.json`), kept);
  console.log(`${createHash("sha256").update(kept).digest("hex")}  ${name}.json`);
}
