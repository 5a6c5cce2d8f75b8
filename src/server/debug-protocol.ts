// DEBUG PROTOCOL: an example of each type of reply, the same that Redis sends. Client libraries
// test their parsers with it.

import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'

const WRONG_TYPE_NAME = replyError(
  'ERR Wrong protocol type name. Please use one of the following: ' +
    'string|integer|double|null|array|set|map|attrib|push|verbatim|true|false',
)

const EXAMPLES: Readonly<Record<string, (reply: Reply) => void>> = {
  string: (reply) => reply.bulkText('Hello World'),
  integer: (reply) => reply.integer(12345),
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: it is the number that Redis sends.
  double: (reply) => reply.double(3.141),
  null: (reply) => reply.nil(),
  array: (reply) => {
    reply.array(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  set: (reply) => {
    reply.set(3)
    for (let i = 0; i < 3; i++) reply.integer(i)
  },
  map: (reply) => {
    reply.map(3)
    for (let i = 0; i < 3; i++) {
      reply.integer(i)
      reply.boolean(i === 1)
    }
  },
  attrib: (reply) => {
    if (reply.version === 3) {
      reply.attribute(1)
      reply.bulkText('key-popularity')
      reply.array(2)
      reply.bulkText('key:123')
      reply.integer(90)
    }
    // An attribute belongs to the reply that follows.
    reply.bulkText('Some real reply following the attribute')
  },
  push: (reply) => {
    reply.push(2)
    reply.bulkText('server-cpu-usage')
    reply.integer(42)
  },
  verbatim: (reply) => reply.verbatim('txt', 'This is a verbatim\nstring'),
  true: (reply) => reply.boolean(true),
  false: (reply) => reply.boolean(false),
  bignum: (reply) => reply.bigNumber('1234567999999999999999999999999999999'),
}

export function replyExample(name: string, reply: Reply): void {
  const write = Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : undefined
  if (write === undefined) reply.error(WRONG_TYPE_NAME)
  else write(reply)
}
