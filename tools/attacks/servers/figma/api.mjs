// Preload (node --import): Figma's API for one file, and no network otherwise. The server itself is as published.
const FILE = {
  name: "Landing page",
  lastModified: "2025-10-01T00:00:00Z",
  thumbnailUrl: "",
  document: { id: "0:0", name: "Document", type: "DOCUMENT", children: [{ id: "0:1", name: "Page", type: "FRAME", children: [] }] },
  components: {},
  componentSets: {},
  styles: {},
};

globalThis.fetch = async (address) => {
  if (String(address) === "https://api.figma.com/v1/files/abcDEF123") return Response.json(FILE);
  throw new TypeError("fetch failed");
};
