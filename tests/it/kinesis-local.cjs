// Serves Kinesis as kinesis-local does, on any free port of loopback, told on standard output, where it would take
// fixed ones of all addresses. The argument is where its package is.
const { Server } = require("net");
const PLAIN = 4568;
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  const listening = rest.find((argument) => typeof argument === "function");
  return listen.call(this, 0, "127.0.0.1", () => {
    // The other one is for TLS.
    if (port === PLAIN) console.log(`http://127.0.0.1:${this.address().port}`);
    listening?.();
  });
};
const soon = ["CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS"];
for (const what of soon) process.env[`${what}_DURATION`] = "10ms";
process.env.KINESIS_MOCK_PLAIN_PORT = PLAIN;
process.env.LOG_LEVEL = "ERROR";
// It looks for its certificate where it runs.
process.chdir(process.argv[2]);
require(`${process.argv[2]}/main.js`);
