// Signs in by hand: reads what `GET /auth/nonce` answered, writes the body of `POST /auth/verify`. The key is one of the
// local chain's, which everybody knows; VITRINE_DEMO_KEY says which.
import { text } from 'node:stream/consumers'
import { mnemonicToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import { CHAIN } from './door.mjs'

const addressIndex = Number(process.env.VITRINE_DEMO_KEY ?? 5)
const account = mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex })
const { domain, uri, statement, nonce } = JSON.parse(await text(process.stdin))
const message = createSiweMessage({ address: account.address, chainId: CHAIN, domain, nonce, statement, uri, version: '1' })
console.log(JSON.stringify({ message, signature: await account.signMessage({ message }) }))
