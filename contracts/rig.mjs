// What the checks of the contracts share: a chain, people on it, and the factory with what it makes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  BaseError, ContractFunctionRevertedError, concat, createPublicClient, createTestClient, createWalletClient,
  decodeEventLog, defineChain, encodeAbiParameters, encodeFunctionData, http, keccak256, parseEther, toHex,
  zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const artifact = (name) => JSON.parse(readFileSync(new URL(`out/${name}.json`, import.meta.url), "utf8"));
const [FACTORY, ERC721, ERC1155, PLAIN] =
  ["VitrineFactory", "VitrineERC721", "VitrineERC1155", "PlainERC721"].map(artifact);

// ---- the chain

let anvil;
async function endpoint() {
  const binary = process.env.VITRINE_TEST_ANVIL_BIN;
  if (!binary && process.env.VITRINE_TEST_ANVIL) return process.env.VITRINE_TEST_ANVIL;
  if (!binary) throw new Error("set VITRINE_TEST_ANVIL (url) or VITRINE_TEST_ANVIL_BIN (path)");
  anvil = spawn(binary, ["--host", "127.0.0.1", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => anvil.kill("SIGKILL"));
  const address = await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("anvil did not listen within 30 s")), 30_000).unref();
    anvil.on("error", reject);
    anvil.on("exit", (code) => reject(new Error(`anvil ended with ${code}`)));
    createInterface({ input: anvil.stdout }).on("line", (line) => {
      const found = /^Listening on (\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  return `http://${address}`;
}

const url = await endpoint();
const transport = http(url);
const id = Number(await createPublicClient({ transport }).getChainId());
const chain = defineChain({ id, name: "anvil", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [url] } } });
const reader = createPublicClient({ chain, transport, pollingInterval: 100 });
const node = createTestClient({ chain, transport, mode: "anvil" });

async function wallet() {
  const client = createWalletClient({ chain, transport, account: privateKeyToAccount(generatePrivateKey()) });
  await node.setBalance({ address: client.account.address, value: parseEther("100") });
  return client;
}

const mined = async (hash) => {
  const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
  assert.equal(receipt.status, "success", `${hash} failed`);
  return receipt;
};
const deploy = async (from, { abi, bytecode }, args = []) =>
  (await mined(await from.deployContract({ abi, bytecode, args }))).contractAddress;
const ask = (contract, functionName, args = []) => reader.readContract({ ...contract, functionName, args });
const send = async (from, contract, functionName, args = [], value = 0n) =>
  mined(await from.writeContract({ ...contract, functionName, args, value }));

/** Events of one contract in a receipt, by name. */
const eventsOf = (receipt, { abi, address }, eventName) => receipt.logs
  .filter((log) => log.address.toLowerCase() === address.toLowerCase())
  .map((log) => decodeEventLog({ abi, data: log.data, topics: log.topics }))
  .filter((event) => event.eventName === eventName).map((event) => event.args);

/** The call must revert with this custom error (and these arguments, when given). */
async function refused(from, contract, functionName, args, value, errorName, errorArgs) {
  try {
    await reader.simulateContract({ ...contract, functionName, args, value, account: from.account });
  } catch (error) {
    const reverted = error instanceof BaseError && error.walk((e) => e instanceof ContractFunctionRevertedError);
    assert.ok(reverted, `not a revert: ${error.message}`);
    assert.equal(reverted.data?.errorName, errorName);
    if (errorArgs) assert.deepEqual(reverted.data.args, errorArgs);
    return;
  }
  assert.fail(`${functionName} went through, ${errorName} was due`);
}

// ---- the checks

let failures = 0, checks = 0;
async function check(sentence, body) {
  checks++;
  try {
    const note = await body();
    console.log(`ok   ${sentence}${note ? ` (${note})` : ""}`);
  } catch (error) {
    failures++;
    console.log(`FAIL ${sentence}\n     ${String(error.stack ?? error).replaceAll("\n", "\n     ")}`);
  }
}

// ---- allowlists: OpenZeppelin's double hash, pairs sorted

const leafOf = (address) => keccak256(keccak256(encodeAbiParameters([{ type: "address" }], [address])));
const pair = (a, b) => keccak256(BigInt(a) < BigInt(b) ? concat([a, b]) : concat([b, a]));

const creator = await wallet(), alice = await wallet(), bob = await wallet(), carol = await wallet();
const [A, B, C] = [alice, bob, carol].map((client) => client.account.address);
const OWNER = creator.account.address;
const leaves = [A, B].map(leafOf);
const extra = leafOf(OWNER);
const root = pair(pair(leaves[0], leaves[1]), extra);
const proofOfAlice = [leaves[1], extra];

const now = (await reader.getBlock()).timestamp;
const ALLOWLIST = 0, PUBLIC = 1;
const PRICE = parseEther("0.01"), LOW = parseEther("0.002");
const stage = (kind, price, rest = {}) =>
  ({ kind, price, startsAt: now - 100n, endsAt: 0n, maxPerWallet: 0n, merkleRoot: zeroHash, maxSupply: 0n, ...rest });
const params = (rest = {}) => ({
  name: "Vitrine", symbol: "VTR", baseURI: "ipfs://base/", contractURI: "ipfs://contract", maxSupply: 0n,
  royaltyRecipient: C, royaltyBps: 750n, stages: [stage(PUBLIC, PRICE)], ...rest,
});

const implementation721 = await deploy(creator, ERC721);
const implementation1155 = await deploy(creator, ERC1155);
const factory = {
  abi: FACTORY.abi,
  address: await deploy(creator, FACTORY, [implementation721, implementation1155]),
};
let lastIntent = 0n;
const nextIntent = () => toHex(++lastIntent, { size: 32 });
async function create(p, kind = ERC721, intent = nextIntent()) {
  const erc1155 = kind === ERC1155;
  const functionName = erc1155 ? "createERC1155Collection" : "createERC721Collection";
  const predicted = await ask(factory, "predictCollection", [OWNER, intent, erc1155]);
  const receipt = await send(creator, factory, functionName, [p, intent]);
  const [event] = eventsOf(receipt, factory, "CollectionCreated");
  return { address: event.collection, abi: kind.abi, event, predicted, receipt, intent };
}
const encodeMint = ({ abi }, args) => encodeFunctionData({ abi, functionName: "mint", args });
const supports = (contract, interfaceId) => ask(contract, "supportsInterface", [interfaceId]);
const INTERFACES = { "ERC-165": "0x01ffc9a7", "ERC-2981": "0x2a55205a", "ERC-4906": "0x49064906",
  "ERC-173": "0x7f5828d0", "AccessControl": "0x7965db0b" };

export {
  ALLOWLIST, ERC1155, ERC721, FACTORY, INTERFACES, LOW, PLAIN, PRICE, PUBLIC, A, B, C, OWNER, alice, artifact,
  ask, bob, carol, check, checks, create, creator, deploy, encodeMint, eventsOf, factory, failures,
  implementation1155, implementation721, mined, nextIntent, now, params, proofOfAlice, reader, refused, root,
  send, stage, supports,
};
