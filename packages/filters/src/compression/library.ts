import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from 'node:zlib';
import { XebecError } from '@xebec/core';
import type { TypedExtensionConfig } from '@xebec/protos/envoy/config/core/v3/extension';
import { Brotli_EncoderMode, BrotliSchema } from '@xebec/protos/envoy/extensions/compression/brotli/compressor/v3/brotli';
import { BrotliSchema as BrotliDecoderSchema } from '@xebec/protos/envoy/extensions/compression/brotli/decompressor/v3/brotli';
import { Gzip_CompressionStrategy, GzipSchema } from '@xebec/protos/envoy/extensions/compression/gzip/compressor/v3/gzip';
import { GzipSchema as GzipDecoderSchema } from '@xebec/protos/envoy/extensions/compression/gzip/decompressor/v3/gzip';
import { ZstdSchema } from '@xebec/protos/envoy/extensions/compression/zstd/compressor/v3/zstd';
import { ZstdSchema as ZstdDecoderSchema } from '@xebec/protos/envoy/extensions/compression/zstd/decompressor/v3/zstd';
import { decodeConfig } from '../decode.ts';
import { typeNameOf } from '../typed-struct.ts';

/** One of Envoy's compression libraries. */
export interface CompressionLibrary {
  /** The name that the configuration gives it; a part of its counters' names. */
  readonly name: string;
  readonly statPrefix: 'gzip.' | 'brotli.' | 'zstd.';
  /** What `content-encoding` says. */
  readonly encoding: 'gzip' | 'br' | 'zstd';
  /** For `flush`. Zlib's own default forgets what came before, which costs size. */
  readonly flushKind?: number;
  create(): Transform;
}

/** Largest result of one decompressed body: a small body can hold any number of zeros. */
const MAX_INFLATED_BYTES = 1024 * 1024 * 1024;

/** Compiles `compressor_library`; throws XebecError `E_FILTER_CONFIG` for a library that does not exist. */
export function compileCompressor(extension: TypedExtensionConfig | undefined, where: string): CompressionLibrary {
  const { name, bytes, typeName } = unwrap(extension, where);
  switch (typeName) {
    case GzipSchema.typeName: {
      const proto = decodeConfig(GzipSchema, bytes);
      const options = {
        memLevel: proto.memoryLevel ?? 5,
        level: proto.compressionLevel === 0 ? constants.Z_DEFAULT_COMPRESSION : proto.compressionLevel,
        strategy: strategies[proto.compressionStrategy],
        windowBits: proto.windowBits ?? 12,
        chunkSize: proto.chunkSize ?? 4096,
      };
      return { name, statPrefix: 'gzip.', encoding: 'gzip', flushKind: constants.Z_SYNC_FLUSH, create: () => createGzip(options) };
    }
    case BrotliSchema.typeName: {
      const proto = decodeConfig(BrotliSchema, bytes);
      const options = {
        chunkSize: proto.chunkSize ?? 4096,
        params: {
          [constants.BROTLI_PARAM_QUALITY]: proto.quality ?? 3,
          [constants.BROTLI_PARAM_LGWIN]: proto.windowBits ?? 18,
          [constants.BROTLI_PARAM_LGBLOCK]: proto.inputBlockBits ?? 24,
          [constants.BROTLI_PARAM_MODE]: modes[proto.encoderMode],
          [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: proto.disableLiteralContextModeling ? 1 : 0,
        },
      };
      return { name, statPrefix: 'brotli.', encoding: 'br', create: () => createBrotliCompress(options) };
    }
    case ZstdSchema.typeName: {
      const proto = decodeConfig(ZstdSchema, bytes);
      if (proto.dictionary !== undefined) throw new XebecError('E_FILTER_CONFIG', `${where}: zstd dictionary is not supported`);
      const params: Record<number, number> = {
        [constants.ZSTD_c_compressionLevel]: proto.compressionLevel ?? constants.ZSTD_CLEVEL_DEFAULT,
        [constants.ZSTD_c_checksumFlag]: proto.enableChecksum ? 1 : 0,
      };
      if (proto.strategy !== 0) params[constants.ZSTD_c_strategy] = proto.strategy;
      const options = { chunkSize: proto.chunkSize ?? 4096, params };
      return { name, statPrefix: 'zstd.', encoding: 'zstd', create: () => createZstdCompress(options) };
    }
    default:
      throw new XebecError('E_FILTER_CONFIG', `${where}: compressor library "${typeName}" is not known; use gzip, brotli or zstd`);
  }
}

/** Compiles `decompressor_library`; throws XebecError `E_FILTER_CONFIG` for a library that does not exist. */
export function compileDecompressor(extension: TypedExtensionConfig | undefined, where: string): CompressionLibrary {
  const { name, typeName } = unwrap(extension, where);
  const options = { maxOutputLength: MAX_INFLATED_BYTES };
  switch (typeName) {
    case GzipDecoderSchema.typeName:
      return { name, statPrefix: 'gzip.', encoding: 'gzip', create: () => createGunzip(options) };
    case BrotliDecoderSchema.typeName:
      return { name, statPrefix: 'brotli.', encoding: 'br', create: () => createBrotliDecompress(options) };
    case ZstdDecoderSchema.typeName:
      return { name, statPrefix: 'zstd.', encoding: 'zstd', create: () => createZstdDecompress(options) };
    default:
      throw new XebecError('E_FILTER_CONFIG', `${where}: decompressor library "${typeName}" is not known; use gzip, brotli or zstd`);
  }
}

function unwrap(extension: TypedExtensionConfig | undefined, where: string) {
  const any = extension?.typedConfig;
  if (extension === undefined || any === undefined) throw new XebecError('E_FILTER_CONFIG', `${where}: library is missing`);
  return { name: extension.name, bytes: any.value, typeName: typeNameOf(any.typeUrl) };
}

const strategies: Record<Gzip_CompressionStrategy, number> = {
  [Gzip_CompressionStrategy.DEFAULT_STRATEGY]: constants.Z_DEFAULT_STRATEGY,
  [Gzip_CompressionStrategy.FILTERED]: constants.Z_FILTERED,
  [Gzip_CompressionStrategy.HUFFMAN_ONLY]: constants.Z_HUFFMAN_ONLY,
  [Gzip_CompressionStrategy.RLE]: constants.Z_RLE,
  [Gzip_CompressionStrategy.FIXED]: constants.Z_FIXED,
};

const modes: Record<Brotli_EncoderMode, number> = {
  [Brotli_EncoderMode.DEFAULT]: constants.BROTLI_MODE_GENERIC,
  [Brotli_EncoderMode.GENERIC]: constants.BROTLI_MODE_GENERIC,
  [Brotli_EncoderMode.TEXT]: constants.BROTLI_MODE_TEXT,
  [Brotli_EncoderMode.FONT]: constants.BROTLI_MODE_FONT,
};
