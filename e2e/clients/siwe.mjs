// The npm package siwe writes the messages, and ethers signs them.
import { Wallet } from 'ethers'
import { SiweMessage } from 'siwe'
import { CHAIN, stayAsBearer, stayAsPage } from './door.mjs'

const wallet = Wallet.createRandom()

const write = (asked) =>
  new SiweMessage({
    domain: asked.domain,
    address: wallet.address,
    statement: asked.statement,
    uri: asked.uri,
    version: '1',
    chainId: CHAIN,
    nonce: asked.nonce,
  }).prepareMessage()

// As the package's own examples do it: with an end, a beginning, a request id and resources, and no statement.
const writeAll = (asked) =>
  new SiweMessage({
    domain: asked.domain,
    address: wallet.address,
    uri: asked.uri,
    version: '1',
    chainId: CHAIN,
    nonce: asked.nonce,
    issuedAt: new Date().toISOString(),
    expirationTime: new Date(Date.now() + 600_000).toISOString(),
    notBefore: new Date(Date.now() - 1_000).toISOString(),
    requestId: 'request-1',
    resources: ['ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/', 'https://example.com/a?b=c#d'],
  }).prepareMessage()

const sign = (message) => wallet.signMessage(message)

await stayAsBearer(wallet.address, write, sign)
console.log('ok   siwe and ethers over GraphQL')
await stayAsBearer(wallet.address, writeAll, sign)
console.log('ok   siwe and ethers with every optional field')
await stayAsPage(wallet.address, write, sign)
console.log('ok   siwe and ethers over plain HTTP with cookies')
