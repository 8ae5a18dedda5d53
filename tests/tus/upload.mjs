// node upload.mjs FILE ENDPOINT TOKEN METADATA CHUNK: uploads with tus-js-client, says where to.
// With ABORT_AT it stops after so many bytes and goes on in a second Upload, as an app that was
// closed and opened again.
import fs from "node:fs";
import { Upload } from "tus-js-client";

const [file, endpoint, token, metadata, chunk] = process.argv.slice(2);
const abortAt = Number(process.env.ABORT_AT || 0);

function send(more) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(fs.createReadStream(file), {
      endpoint,
      chunkSize: Number(chunk) || Number.POSITIVE_INFINITY,
      headers: { Authorization: `Bearer ${token}` },
      metadata: JSON.parse(metadata),
      retryDelays: [100, 200, 400, 800, 1600, 3200],
      uploadSize: fs.statSync(file).size,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: (_, accepted) => {
        if (more.stopAt && accepted >= more.stopAt) {
          upload.abort().then(() => resolve(upload.url));
        }
      },
      ...more.options,
    });
    upload.start();
  });
}

let url = await send({ stopAt: abortAt, options: {} });
if (abortAt) url = await send({ options: { uploadUrl: url } });
console.log(url);
