// Compiles src/*.sol into out/<Name>.json and src/test/*.sol into out/test/<Name>.json, and writes out/manifest.json: the
// hashes of what went in and what came out. Nothing that is deployed for use comes out of src/test.
//   node compile.mjs           writes out/
//   node compile.mjs --check   writes nothing, and fails when out/ is not what the sources compile to
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const root = dirname(fileURLToPath(import.meta.url));
const COMPILER = "0.8.30";
const CONTRACTS = ["PlainERC721", "SignatureValidator", "SignatureValidatorProbe", "VitrineERC1155", "VitrineERC721", "VitrineFactory",
  "WrappedEther"];
// What others compiled, by its SHA-256: see vendor/README.md.
const VENDORED = {
  LocalConduitController: "300c83f71347aa2b8cd324174dec399127471c5b8ebf02c30cd062b47e985d8f",
  Seaport: "6048db38ecfea06e7b5c43c6cb4cb9f63798de91eb77e02877eaf14adf8734ba",
};
// By file: what only tests deploy.
const TRIALS = {
  "test/Foreign": ["RangeERC721A", "SoladyERC1155", "SoladyERC721"],
  "test/Hostile": ["HostileDirty", "HostileEmpty", "HostileFactory", "HostileHuge", "HostileLarge", "HostileLong",
    "HostileLoop", "HostileRevert", "HostileRightAligned", "HostileShort", "HostileTrue", "YesToAll"],
  "test/OwnedWallet": ["OwnedWallet", "OwnedWalletFactory"],
  "test/Trading": ["LoopingToken", "PickyRoyalty", "StubbornERC20"],
};
// By file: contracts of packages, as they were published, that only tests deploy. OpenZeppelin 4.9 is MIT.
const PUBLISHED = {
  "openzeppelin-4/token/ERC1155/presets/ERC1155PresetMinterPauser": ["ERC1155PresetMinterPauser"],
  "openzeppelin-4/token/ERC721/presets/ERC721PresetMinterPauserAutoId": ["ERC721PresetMinterPauserAutoId"],
};
const SETTINGS = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "cancun",
  // Without it the bytecode would change with every comment.
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const read = (path) => readFileSync(join(root, path), "utf8");
const solidity = (folder) => readdirSync(join(root, folder)).filter((name) => name.endsWith(".sol")).sort();

function compile() {
  if (!solc.version().startsWith(`${COMPILER}+`)) throw new Error(`solc is ${solc.version()}, not ${COMPILER}`);
  const names = solidity("src").concat(solidity("src/test").map((name) => `test/${name}`));
  const sources = Object.fromEntries(names.map((name) => [`src/${name}`, { content: read(`src/${name}`) }]));
  const published = Object.keys(PUBLISHED).map((file) => `${file}.sol`);
  const asked = { ...sources, ...Object.fromEntries(published.map((path) => [path, { content: read(`node_modules/${path}`) }])) };
  const input = JSON.stringify({ language: "Solidity", sources: asked, settings: SETTINGS });
  const found = (path) => {
    try {
      return { contents: read(path.startsWith("src/") ? path : join("node_modules", path)) };
    } catch {
      return { error: `${path} is missing: run npm ci in contracts/` };
    }
  };
  const output = JSON.parse(solc.compile(input, { import: found }));
  const problems = (output.errors ?? []).filter((problem) => problem.severity !== "info");
  // A warning in somebody's money is an error.
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));

  const files = {};
  const wanted = CONTRACTS.map((name) => [`src/${name}.sol`, name, `${name}.json`]);
  for (const [file, trials] of Object.entries(TRIALS)) {
    for (const name of trials) wanted.push([`src/${file}.sol`, name, `test/${name}.json`]);
  }
  for (const [file, names] of Object.entries(PUBLISHED)) {
    for (const name of names) wanted.push([`${file}.sol`, name, `test/${name}.json`]);
  }
  for (const [source, name, path] of wanted) {
    const { abi, evm } = output.contracts[source][name];
    const deployed = evm.deployedBytecode.object;
    if (deployed.length / 2 > 24_576) throw new Error(`${name} is larger than a chain accepts`);
    const artifact = { abi, bytecode: `0x${evm.bytecode.object}`, deployedBytecode: `0x${deployed}` };
    files[path] = `${JSON.stringify(artifact, null, 2)}\n`;
  }
  const vendored = Object.entries(VENDORED).map(([name, hash]) => {
    const text = read(`vendor/${name}.json`);
    if (sha256(text) !== hash) throw new Error(`vendor/${name}.json is not what was taken`);
    files[`${name}.json`] = text;
    return `vendor/${name}.json`;
  });
  const inputs = ["compile.mjs", "package-lock.json", ...Object.keys(sources), ...vendored];
  const manifest = {
    compiler: solc.version(),
    settings: SETTINGS,
    inputs: Object.fromEntries(inputs.map((path) => [path, sha256(read(path))])),
    outputs: Object.fromEntries(Object.entries(files).map(([name, text]) => [name, sha256(text)])),
  };
  files["manifest.json"] = `${JSON.stringify(manifest, null, 2)}\n`;
  return files;
}

/** What lies in out/, by path. */
function written() {
  const folders = readdirSync(join(root, "out"), { recursive: true, withFileTypes: true });
  return folders.filter((entry) => entry.isFile()).map((entry) => relative(join(root, "out"), join(entry.parentPath ?? entry.path, entry.name)));
}

function stale(files) {
  const present = written();
  const wrong = present.filter((name) => !(name in files)).map((name) => `out/${name} has no source`);
  for (const [name, text] of Object.entries(files)) {
    if (!present.includes(name)) wrong.push(`out/${name} is missing`);
    else if (read(`out/${name}`) !== text) wrong.push(`out/${name} differs from what the sources compile to`);
  }
  return wrong;
}

try {
  const files = compile();
  mkdirSync(join(root, "out/test"), { recursive: true });
  if (process.argv.includes("--check")) {
    const wrong = stale(files);
    if (wrong.length > 0) throw new Error(`${wrong.join("\n")}\nrun: node compile.mjs`);
    console.log(`out/ matches the sources (${Object.keys(files).length - 1} contracts)`);
  } else {
    for (const name of written()) if (!(name in files)) rmSync(join(root, "out", name));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, "out", name), text);
    for (const name of CONTRACTS) {
      const size = (JSON.parse(files[`${name}.json`]).deployedBytecode.length - 2) / 2;
      console.log(`${name}: ${size} bytes`);
    }
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
