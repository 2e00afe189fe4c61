// A Safe has things prepared and carries them out through its owner: what the chain sees is somebody else's transaction to
// the Safe, and the intent is READY all the same. Whoever reports a hash that is not theirs blocks nobody.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { encodeAbiParameters, encodeFunctionData, hashMessage, keccak256, parseAbi, parseEther, zeroAddress } from 'viem'
import { CHAIN } from './door.mjs'
import { anvil, asViem, newcomer, ok, pause, reader, seen, signIn } from './person.mjs'

const require = createRequire(import.meta.url)
const safe = (path) => require(`@safe-global/safe-smart-account/build/artifacts/contracts/${path}`)
const [Safe, Proxies, Handler] = [
  safe('Safe.sol/Safe.json'),
  safe('proxies/SafeProxyFactory.sol/SafeProxyFactory.json'),
  safe('handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json'),
]
const abi = parseAbi(['function ownerOf(uint256) view returns (address)', 'function owner() view returns (address)'])
const PRICE = '10000000000000000'

const [owner, stranger, creator] = await Promise.all([newcomer(), newcomer(), newcomer()])
const mined = async (hash) => {
  const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 })
  assert.equal(receipt.status, 'success')
  return receipt
}

// ---- the Safe, with one owner

let nonce = 0
const deployed = await Promise.all([Proxies, Safe, Handler].map(({ abi, bytecode }) =>
  owner.wallet.deployContract({ abi, bytecode, nonce: nonce++ })))
const [proxies, singleton, handler] = (await Promise.all(deployed.map(mined))).map((receipt) => receipt.contractAddress)
const setup = encodeFunctionData({
  abi: Safe.abi,
  functionName: 'setup',
  args: [[owner.address], 1n, zeroAddress, '0x', handler, zeroAddress, 0n, zeroAddress],
})
const { request, result: address } = await reader.simulateContract({
  abi: Proxies.abi, address: proxies, functionName: 'createProxyWithNonce', args: [singleton, setup, 1n], account: owner.account,
})
await mined(await owner.wallet.writeContract(request))
await anvil.setBalance({ address, value: parseEther('10') })

const domain = { chainId: CHAIN, verifyingContract: address }
const team = await signIn(address, (message) => owner.account.signTypedData({
  domain,
  types: { SafeMessage: [{ name: 'message', type: 'bytes' }] },
  primaryType: 'SafeMessage',
  message: { message: encodeAbiParameters([{ type: 'bytes32' }], [hashMessage(message)]) },
}))

const fields = ['address to', 'uint256 value', 'bytes data', 'uint8 operation', 'uint256 safeTxGas', 'uint256 baseGas',
  'uint256 gasPrice', 'address gasToken', 'address refundReceiver', 'uint256 nonce']
const types = { SafeTx: fields.map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] })) }
/** The owner signs what the Safe is to do, and the transaction that carries it; it can be sent later. */
async function signed(step) {
  const { to, value, data } = asViem(step.transaction)
  const nonce = await reader.readContract({ abi: Safe.abi, address, functionName: 'nonce' })
  const rest = { operation: 0, safeTxGas: 0n, baseGas: 0n, gasPrice: 0n, gasToken: zeroAddress, refundReceiver: zeroAddress }
  const message = { to, value, data, ...rest, nonce }
  const signature = await owner.account.signTypedData({ domain, types, primaryType: 'SafeTx', message })
  const args = [to, value, data, 0, 0n, 0n, 0n, zeroAddress, zeroAddress, signature]
  const execution = encodeFunctionData({ abi: Safe.abi, functionName: 'execTransaction', args })
  const raw = await owner.wallet.signTransaction(await owner.wallet.prepareTransactionRequest({ to: address, data: execution }))
  return { raw, hash: keccak256(raw) }
}
const push = ({ raw }) => reader.request({ method: 'eth_sendRawTransaction', params: [raw] })

// ---- a mint; a stranger claims its transaction for a mint of their own, and is first

const collection = await creator.create('ERC721', [{ kind: 'PUBLIC', priceRaw: PRICE }])
const mint = (who) => ({ collection, minter: who.address, quantity: 2 })
const [theirs, claimed] = await Promise.all([
  team.prepare('prepareMint721', mint(team)),
  stranger.prepare('prepareMint721', mint(stranger)),
])
const followed = team.follow(theirs)
const execution = await signed(theirs.steps[0])
const { hash } = execution
await stranger.track(claimed, hash)
await pause(1_000)
await push(execution)
await team.track(theirs, hash)
const ready = await followed
assert.equal(ready.txHash, hash)
assert.equal(await reader.readContract({ abi, address: collection.address, functionName: 'ownerOf', args: [2n] }), address)
ok('a mint that a Safe carried out is READY, though a stranger had reported its hash first')

const told = await stranger.until(claimed, 'the stranger is told', ({ status }) => status === 'PREPARED')
assert.equal(told.problem?.code, 'TX_MISMATCH', JSON.stringify(told))
assert.equal(told.txHash, null)
// The intent of the stranger is as good as before.
await stranger.carryOut(claimed)
ok('the stranger is told of the mismatch and mints with the same intent')

// ---- the same among people with keys of their own

const [his, hers] = [await creator.prepare('prepareMint721', mint(creator)), await stranger.prepare('prepareMint721', mint(stranger))]
const end = creator.follow(his)
const sent = await creator.wallet.sendTransaction(asViem(his.steps[0].transaction))
const answer = await stranger.tryToTrack(hers, sent)
await creator.track(his, sent)
assert.equal((await end).txHash, sent)
// What is seen at once is told at once, else as soon as it is seen.
if (answer.__typename === 'TxIntent') await stranger.until(hers, 'the stranger is told', ({ problem }) => problem?.code === 'TX_MISMATCH')
else assert.equal(answer.code, 'TX_MISMATCH')
assert.equal((await stranger.intent(hers)).status, 'PREPARED')
ok('nor does a stranger block somebody who signs with a key')

// ---- a collection of the Safe's own

const input = { chainId: `eip155:${CHAIN}`, standard: 'ERC721', name: 'Of the Safe', symbol: 'SAFE', creator: address, mintStages: [] }
const creation = await team.prepare('prepareCreateCollection', input)
const made = team.follow(creation)
const making = await signed(creation.steps[0])
await push(making)
await team.track(creation, making.hash)
await made
const own = { chainId: `eip155:${CHAIN}`, address: creation.intent.previewAddress }
assert.equal(await reader.readContract({ abi, address: own.address, functionName: 'owner' }), address)
assert.equal(await seen(own), 'LIVE')
ok('a collection that a Safe created is where it was predicted, and READY')

await Promise.all([owner, stranger, creator, team].map((person) => person.leave()))
