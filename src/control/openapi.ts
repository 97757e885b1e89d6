import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

/** Of the HTTP API, not of the package. */
const apiVersion = '1.0.0';

export function openapiOptions(hasToken: boolean): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tandem',
        version: apiVersion,
        description:
          "Pins a call's RTP, records it twice, moves a leg when its recorder fails, and accounts for what was kept.",
        license: { name: 'MIT', identifier: 'MIT' },
      },
      ...(hasToken
        ? {
            components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
            security: [{ token: [] }],
          }
        : {}),
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => dropUnused(jsonSchemaTransformObject(document)),
  };
}

/** Each schema comes once for requests and once for responses; most are needed for one of them only. */
function dropUnused<T extends object>(document: T): T {
  const schemas = (document as { components?: { schemas?: Record<string, unknown> } }).components
    ?.schemas;
  if (schemas === undefined) return document;
  for (let dropped = true; dropped;) {
    const text = JSON.stringify(document);
    const unused = Object.keys(schemas).filter(
      (name) => !text.includes(`"#/components/schemas/${name}"`),
    );
    for (const name of unused) Reflect.deleteProperty(schemas, name);
    dropped = unused.length > 0;
  }
  return document;
}
