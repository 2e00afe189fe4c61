// Reads calldata with viem and the compiled ABIs, and compares it with what it must say; and hashes typed data.
//   node decode.mjs < cases        one JSON object a line: {contract, function, arguments, data} or {typedData, hash}
import { isDeepStrictEqual } from "node:util";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const contracts = new URL("../../../contracts/", import.meta.url);
const { decodeFunctionData, hashTypedData } = createRequire(new URL("package.json", contracts))("viem");

const abis = {};
const abi = (name) => (abis[name] ??= JSON.parse(readFileSync(new URL(`out/${name}.json`, contracts), "utf8")).abi);

/** In the form of the cases: numbers as decimal strings, addresses and bytes in lower case, structs by field. */
function plain(type, value) {
  const list = /^(.*)\[\d*\]$/.exec(type.type);
  if (list) return value.map((entry) => plain({ ...type, type: list[1] }, entry));
  if (type.type === "tuple") {
    return Object.fromEntries(type.components.map((field) => [field.name, plain(field, value[field.name])]));
  }
  if (/^u?int/.test(type.type)) return value.toString();
  if (/^(address|bytes)/.test(type.type)) return value.toLowerCase();
  return value;
}

let matching = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(line);
  if (wanted.typedData) {
    const hash = hashTypedData(wanted.typedData);
    if (hash !== wanted.hash) {
      console.error(`viem signs ${hash}\nfor ${line}`);
      process.exit(1);
    }
    matching += 1;
    continue;
  }
  const { functionName, args = [] } = decodeFunctionData({ abi: abi(wanted.contract), data: wanted.data });
  const entry = abi(wanted.contract).find(
    (candidate) => candidate.type === "function" && candidate.name === functionName && candidate.inputs.length === args.length,
  );
  const found = entry.inputs.map((input, at) => plain(input, args[at]));
  if (functionName !== wanted.function || !isDeepStrictEqual(found, wanted.arguments)) {
    console.error(`viem reads ${functionName} ${JSON.stringify(found)}\nout of ${line}`);
    process.exit(1);
  }
  matching += 1;
}
console.log(`${matching} match`);
