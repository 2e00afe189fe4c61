// Compiles Crowd.sol into Crowd.json, with the compiler and the libraries of ../../contracts (npm ci there first).
//   node compile.mjs           writes Crowd.json
//   node compile.mjs --check   writes nothing, and fails when Crowd.json is not what the source compiles to
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "../../contracts/node_modules");
const solc = createRequire(join(packages, "package.json"))("solc");
const read = (path) => readFileSync(path, "utf8");
const input = {
  language: "Solidity",
  sources: { "Crowd.sol": { content: read(join(here, "Crowd.sol")) } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "cancun",
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: read(join(packages, path)) }) }));
const problems = (output.errors ?? []).filter((problem) => problem.severity !== "info");
if (problems.length > 0) throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));
const { abi, evm } = output.contracts["Crowd.sol"].Crowd;
const text = `${JSON.stringify({ compiler: solc.version(), abi, bytecode: `0x${evm.bytecode.object}` }, null, 2)}\n`;
const path = join(here, "Crowd.json");
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (read(path) !== text) throw new Error("Crowd.json is not what Crowd.sol compiles to: run node compile.mjs");
