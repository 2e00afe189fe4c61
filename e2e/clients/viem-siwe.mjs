// viem/siwe writes the messages, and a viem account signs them.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { CHAIN, stayAsBearer, stayAsPage } from './door.mjs'

const account = privateKeyToAccount(generatePrivateKey())

const write = ({ domain, uri, statement, nonce }) =>
  createSiweMessage({ address: account.address, chainId: CHAIN, domain, nonce, statement, uri, version: '1' })

const writeAll = ({ domain, uri, nonce }) =>
  createSiweMessage({
    address: account.address,
    chainId: CHAIN,
    domain,
    nonce,
    uri,
    version: '1',
    issuedAt: new Date(),
    expirationTime: new Date(Date.now() + 600_000),
    notBefore: new Date(Date.now() - 1_000),
    requestId: 'request-1',
    resources: ['https://example.com/one', 'https://example.com/two'],
  })

const sign = (message) => account.signMessage({ message })

const first = await stayAsBearer(account.address, write, sign)
console.log('ok   viem/siwe over GraphQL')
const second = await stayAsBearer(account.address, writeAll, sign)
if (first !== second) throw new Error(`${first} came back as ${second}`)
console.log('ok   viem/siwe with every optional field, as the same user')
await stayAsPage(account.address, write, sign)
console.log('ok   viem/siwe over plain HTTP with cookies')
