// A peer of another implementation: connects to one address, tries to hear a topic and to speak some
// protocols, and prints what came of it as JSON. `node peer.mjs ADDRESS TOPIC PROTOCOL…`

import './polyfill.mjs'

import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

// How long it listens once it is connected, and how long it tries anything, in milliseconds.
const LISTENS = 3000
const TRIES = 5000

const [address, topic, ...protocols] = process.argv.slice(2)
const came = { handshakes: 0, spoken: [], identified: [], subscribers: 0, messages: 0, error: null }

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    pubsub: gossipsub({ globalSignaturePolicy: 'StrictNoSign', allowPublishToZeroTopicPeers: true })
  }
})
node.addEventListener('connection:open', () => { came.handshakes += 1 })
node.addEventListener('peer:identify', event => { came.identified = event.detail.protocols })
node.services.pubsub.addEventListener('message', () => { came.messages += 1 })
node.services.pubsub.subscribe(topic)

try {
  const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(TRIES) })
  for (const protocol of protocols) {
    try {
      await connection.newStream(protocol, { signal: AbortSignal.timeout(TRIES) })
      came.spoken.push(protocol)
    } catch {
      // It is not spoken, or the connection is gone.
    }
  }
  const until = Date.now() + LISTENS
  while (Date.now() < until && came.messages === 0) {
    await node.services.pubsub.publish(topic, new Uint8Array([1]))
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  came.subscribers = node.services.pubsub.getSubscribers(topic).length
} catch (error) {
  came.error = String(error)
}
console.log(JSON.stringify(came))
process.exit(0)
