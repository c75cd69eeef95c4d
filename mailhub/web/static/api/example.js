// A value that fits a schema: what has a default has that, the rest is what is simplest.

const DEEP = 6;

/**
 * @param {any} schema
 * @param {any} document where `$ref` leads into
 * @param {number} [deep]
 * @returns {any}
 */
export function example(schema, document, deep = 0) {
  if (!schema || deep > DEEP) return null;
  if (schema.$ref) return example(followed(schema.$ref, document), document, deep + 1);
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  const one = schema.anyOf ?? schema.oneOf;
  if (one) return example(one.find((/** @type {any} */ each) => each.type !== "null") ?? one[0], document, deep + 1);
  if (schema.type === "object" || schema.properties) {
    const entries = Object.entries(schema.properties ?? {}).map(([name, part]) => [name, example(part, document, deep + 1)]);
    return Object.fromEntries(entries);
  }
  if (schema.type === "array") {
    if (schema.prefixItems) return schema.prefixItems.map((/** @type {any} */ part) => example(part, document, deep + 1));
    return schema.items && schema.items !== false ? [example(schema.items, document, deep + 1)] : [];
  }
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 0;
  if (schema.type === "boolean") return false;
  return schema.type === "null" ? null : "";
}

/**
 * @param {string} reference "#/components/schemas/Which"
 * @param {any} document
 */
function followed(reference, document) {
  return reference.split("/").slice(1).reduce((found, name) => found?.[name], document);
}
