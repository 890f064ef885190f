/** A node of `serverConfig`, as far as the agent reads it. */
export interface CoreNode {
  id: string;
  name: string;
  protocol: 'SHADOWSOCKS' | 'VMESS' | 'VLESS' | 'TROJAN' | 'HYSTERIA2' | 'TUIC' | 'ANYTLS';
  port: number;
  clientConfig: {
    method?: string;
    network?: 'tcp' | 'ws' | 'grpc' | 'httpupgrade' | 'xhttp';
    path?: string | null;
    host?: string | null;
    serviceName?: string | null;
    mode?: string;
    security?: string;
    tls?: boolean;
    flow?: string | null;
    serverName?: string | null;
    alpn?: string[];
  };
  serverConfig: {
    listen?: string | null;
    certificate?: string | null;
    privateKey?: string | null;
    shortIds?: string[];
    destination?: string | null;
  } | null;
}

/** A user at one node. */
export interface NodeUser {
  nodeId: string;
  subscriptionId: string;
  credential: string;
}

/** Identifies a user at a node to the core, which counts the bytes of each. */
export const emailOf = ({ nodeId, subscriptionId }: Pick<NodeUser, 'nodeId' | 'subscriptionId'>) =>
  `${subscriptionId}@${nodeId}`;

/** The reverse of `emailOf`; null for other text. */
export function userOfEmail(email: string): Pick<NodeUser, 'nodeId' | 'subscriptionId'> | null {
  const [subscriptionId, nodeId, ...rest] = email.split('@');
  return subscriptionId && nodeId && rest.length === 0 ? { subscriptionId, nodeId } : null;
}
