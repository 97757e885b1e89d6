import { z } from 'zod';

/** Schemas that stand under `components` in the OpenAPI document, by name. */
export const components = z.registry<{ id: string }>();
