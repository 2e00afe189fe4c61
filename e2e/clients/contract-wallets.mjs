// Wallets that are contracts log in: a Safe and an OpenZeppelin-based one, deployed (EIP-1271) and not yet (ERC-6492).
// Hostile contracts do not, and are refused in bounded time.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import {
  createPublicClient, createTestClient, createWalletClient, defineChain, encodeAbiParameters, encodeFunctionData,
  hashMessage, http, pad, parseEther, serializeErc6492Signature, toHex, zeroAddress,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { Bearer, CHAIN, node } from './door.mjs'

const require = createRequire(import.meta.url)
const safe = (path) => require(`@safe-global/safe-smart-account/build/artifacts/contracts/${path}`)
const ours = (name) => JSON.parse(readFileSync(new URL(`../../contracts/out/test/${name}.json`, import.meta.url)))

const chain = defineChain({
  id: CHAIN,
  name: 'Local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [node] } },
})
const reader = createPublicClient({ chain, transport: http(node), pollingInterval: 50 })
const owner = privateKeyToAccount(generatePrivateKey())
const payer = createWalletClient({ chain, transport: http(node), account: privateKeyToAccount(generatePrivateKey()) })
await createTestClient({ chain, transport: http(node), mode: 'anvil' })
  .setBalance({ address: payer.account.address, value: parseEther('100') })

const mined = async (hash) => {
  const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 })
  assert.equal(receipt.status, 'success')
  return receipt
}
/** All of them in as few blocks as possible, in order. */
async function deploy(...contracts) {
  let nonce = await reader.getTransactionCount({ address: payer.account.address, blockTag: 'pending' })
  const hashes = []
  for (const { abi, bytecode } of contracts) hashes.push(await payer.deployContract({ abi, bytecode, nonce: nonce++ }))
  return Promise.all(hashes.map(async (hash) => (await mined(hash)).contractAddress))
}
const send = async (contract, functionName, args) => mined(await payer.writeContract({ ...contract, functionName, args }))

const write = (address, { domain, uri, statement, nonce }) =>
  createSiweMessage({ address, chainId: CHAIN, domain, nonce, statement, uri, version: '1' })

/** What the API says to a message of that account, signed so. */
async function attempt(address, sign, bearer = new Bearer()) {
  const message = write(address, await bearer.nonce())
  return { opened: await bearer.verify(message, await sign(message)), bearer }
}

async function stays(what, address, sign) {
  const { opened, bearer } = await attempt(address, sign)
  assert.equal(opened.__typename, 'AuthSession', `${what}: ${JSON.stringify(opened)}`)
  assert.equal(opened.session.account, `eip155:${CHAIN}:${address}`)
  const viewer = await bearer.viewer()
  assert.equal(viewer.session.id, opened.session.id)
  assert.equal((await bearer.refresh()).__typename, 'AuthSession')
  assert.equal(await bearer.signOut(), true)
  console.log(`ok   ${what}`)
  return viewer.user.id
}

async function refused(what, address, sign, code = 'SIGNATURE_INVALID') {
  const begun = Date.now()
  const { opened } = await attempt(address, sign)
  const took = Date.now() - begun
  assert.equal(opened.code, code, `${what}: ${JSON.stringify(opened)}`)
  assert.ok(took < 5_000, `${what} took ${took} ms`)
  return took
}

// ---- a Safe: its owner signs the EIP-712 message in which the Safe wraps what it is asked about

const [Safe, Proxies, Handler] = [
  safe('Safe.sol/Safe.json'),
  safe('proxies/SafeProxyFactory.sol/SafeProxyFactory.json'),
  safe('handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json'),
]
const Wallets = ours('OwnedWalletFactory')
const [proxy, singleton, handler, makers] = await deploy(Proxies, Safe, Handler, Wallets)
const proxies = { abi: Proxies.abi, address: proxy }

const setup = encodeFunctionData({
  abi: Safe.abi,
  functionName: 'setup',
  args: [[owner.address], 1n, zeroAddress, '0x', handler, zeroAddress, 0n, zeroAddress],
})
const create = (salt) => ({ ...proxies, functionName: 'createProxyWithNonce', args: [singleton, setup, salt], account: payer.account })
const safeSigns = (address, by = owner) => (message) =>
  by.signTypedData({
    domain: { chainId: CHAIN, verifyingContract: address },
    types: { SafeMessage: [{ name: 'message', type: 'bytes' }] },
    primaryType: 'SafeMessage',
    message: { message: encodeAbiParameters([{ type: 'bytes32' }], [hashMessage(message)]) },
  })
const wrapped = (address, data, sign) => async (message) =>
  serializeErc6492Signature({ address, data, signature: await sign(message) })

const { request, result: deployedSafe } = await reader.simulateContract(create(1n))
await mined(await payer.writeContract(request))
const safeUser = await stays('a Safe by EIP-1271', deployedSafe, safeSigns(deployedSafe))
const again = await stays('the same Safe again, as the same user', deployedSafe, safeSigns(deployedSafe))
assert.equal(safeUser, again)
const stranger = privateKeyToAccount(generatePrivateKey())
await refused('a Safe whose owner did not sign', deployedSafe, safeSigns(deployedSafe, stranger))

const { result: futureSafe } = await reader.simulateContract(create(2n))
const createFuture = encodeFunctionData({ ...create(2n) })
const before = await stays('a Safe that does not exist yet by ERC-6492', futureSafe,
  wrapped(proxies.address, createFuture, safeSigns(futureSafe)))
assert.equal(await reader.getCode({ address: futureSafe }), undefined, 'a log-in deployed it')
await refused('a Safe that does not exist yet and whose owner did not sign', futureSafe,
  wrapped(proxies.address, createFuture, safeSigns(futureSafe, stranger)))
await send(proxies, 'createProxyWithNonce', create(2n).args)
assert.equal(await stays('the same Safe after it was deployed', futureSafe, safeSigns(futureSafe)), before)

// ---- the OpenZeppelin-based one: its owner signs the text itself

const wallets = { abi: Wallets.abi, address: makers }
const place = (salt) => reader.readContract({ ...wallets, functionName: 'predict', args: [owner.address, salt] })
const ownerSigns = (message) => owner.signMessage({ message })
const [one, two] = [toHex(1n, { size: 32 }), toHex(2n, { size: 32 })]

await send(wallets, 'deploy', [owner.address, one])
const own = await place(one)
const walletUser = await stays('an OpenZeppelin-based wallet by EIP-1271', own, ownerSigns)
const later = await place(two)
const making = encodeFunctionData({ abi: wallets.abi, functionName: 'deploy', args: [owner.address, two] })
const laterUser = await stays('one that does not exist yet by ERC-6492', later, wrapped(wallets.address, making, ownerSigns))
const ownerUser = await stays('their owner with the same key', owner.address, ownerSigns)
assert.equal(new Set([safeUser, before, walletUser, laterUser, ownerUser]).size, 5, 'five accounts are five users')


// ---- hostile ones

const garbage = async () => pad('0x1234', { size: 65 })
let slowest = 0
const names = ['Dirty', 'Empty', 'Huge', 'Large', 'Long', 'Loop', 'Revert', 'RightAligned', 'Short', 'True', 'Factory']
const hostile = await deploy(...names.map((name) => ours(`Hostile${name}`)))
const factory = { abi: ours('HostileFactory').abi, address: hostile.pop() }
for (const [index, address] of hostile.entries()) {
  const name = names[index]
  slowest = Math.max(slowest, await refused(name, address, garbage))
  slowest = Math.max(slowest, await refused(`${name} with its deployer's signature`, address, ownerSigns))
}
const nowhere = privateKeyToAccount(generatePrivateKey()).address
slowest = Math.max(slowest, await refused('an address with no code', nowhere, garbage))
slowest = Math.max(slowest, await refused('an address with no code and somebody else\'s signature', nowhere, ownerSigns))

for (const functionName of ['refuse', 'loop', 'nothing']) {
  const data = encodeFunctionData({ abi: factory.abi, functionName })
  slowest = Math.max(slowest, await refused(`a factory that does ${functionName}`, nowhere, wrapped(factory.address, data, garbage)))
  slowest = Math.max(slowest, await refused(`a factory that does ${functionName} for somebody else's wallet`, futureSafe,
    wrapped(factory.address, data, ownerSigns)))
}
console.log(`ok   hostile contracts are refused, the slowest after ${slowest} ms`)
