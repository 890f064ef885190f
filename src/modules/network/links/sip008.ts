import { type LinkFormat, renderEach } from './link-format.ts';
import { type LinkedNode, type NodeOf, shadowsocksPassword } from './node-settings.ts';

/** SIP008: the JSON of Shadowsocks clients. */
export const sip008: LinkFormat = {
  name: 'sip008',
  contentType: 'application/json; charset=utf-8',
  extension: 'json',
  isTemplate: false,
  userAgent: /shadowsocks/i,
  render: ({ nodes, upload, download, trafficLimit }) => {
    const { rendered, leftOut } = renderEach(nodes, serverOf);
    const used = upload + download;
    const document = {
      ...{ version: 1, servers: rendered, bytes_used: Number(used) },
      ...(trafficLimit !== null && {
        bytes_remaining: Number(trafficLimit > used ? trafficLimit - used : 0n),
      }),
    };
    return { text: `${JSON.stringify(document, null, 2)}\n`, leftOut };
  },
};

function serverOf(node: LinkedNode): object | null {
  if (node.clientConfig.protocol !== 'SHADOWSOCKS') return null;
  const { nodeId, name, address, port, clientConfig } = node;
  const password = shadowsocksPassword(node as NodeOf<'SHADOWSOCKS'>);
  const { method } = clientConfig;
  return { id: nodeId, remarks: name, server: address, server_port: port, password, method };
}
