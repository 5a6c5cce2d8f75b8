// The numbers of the RDB format; docs/formats/rdb.md draws them. Facts as of RDB version 12;
// version 80 is Valkey 9's, which differs in value types only. Names of types are what errors
// show.

/** What Redis 7.0 writes and reads, and what is written unless told otherwise. */
export const RDB_VERSION = 10
/** Newest version that can be written, and read. */
export const RDB_VERSION_MAX = 12
/** What a file or payload must say with a hash in it that has deadlines of fields. */
export const FIELD_DEADLINE_VERSION = 12
/** From this version on, a checksum follows the end. */
export const CHECKSUM_VERSION = 5
export const VALKEY_VERSION = 80

export const Opcode = {
  SlotInfo: 244,
  Function2: 245,
  FunctionPreGa: 246,
  ModuleAux: 247,
  Idle: 248,
  Freq: 249,
  Aux: 250,
  ResizeDb: 251,
  ExpireTimeMs: 252,
  ExpireTime: 253,
  SelectDb: 254,
  Eof: 255,
} as const

/** First byte of a length: the top two bits, or the whole byte for the long forms. */
export const LengthMark = {
  Bits14: 0x40,
  Bits32: 0x80,
  Bits64: 0x81,
  Encoded: 0xc0,
} as const

/** Low six bits of a first byte with `LengthMark.Encoded`: the string follows in this form. */
export const StringEncoding = {
  Int8: 0,
  Int16: 1,
  Int32: 2,
  Lzf: 3,
} as const

/** The value types that are written by more than one place. */
export const ValueType = {
  String: 0,
  HashWithDeadlines: 24,
  HashListpackEx: 25,
} as const

/** The oldest version that has a value type which is written here. */
export function versionOf(type: number): number {
  const hasDeadlines = type === ValueType.HashWithDeadlines || type === ValueType.HashListpackEx
  return hasDeadlines ? FIELD_DEADLINE_VERSION : RDB_VERSION
}

/** Version and checksum at the end of a DUMP payload. */
export const PAYLOAD_FOOTER_BYTES = 10

/** A string must shrink by this much to be written compressed. */
export const LZF_GAIN_MIN = 4
