/**
 * The messages of v2ray and Xray that the agent sends. Both programs number their fields alike;
 * their packages differ in the prefix.
 *
 * Source: the .proto files of v2fly/v2ray-core 4.34 and XTLS/Xray-core below app/proxyman,
 * app/stats, common and proxy.
 *
 * @param prefix `v2ray.core` or `xray`
 */
export const protosOf = (prefix: string): readonly string[] => [
  `syntax = "proto3";
  package ${prefix}.common.serial;
  message TypedMessage { string type = 1; bytes value = 2; }`,

  `syntax = "proto3";
  package ${prefix}.common.protocol;
  message User { uint32 level = 1; string email = 2; ${prefix}.common.serial.TypedMessage account = 3; }`,

  `syntax = "proto3";
  package ${prefix}.common.net;
  message PortRange { uint32 From = 1; uint32 To = 2; }
  message IPOrDomain { oneof address { bytes ip = 1; string domain = 2; } }`,

  `syntax = "proto3";
  package ${prefix}.app.proxyman;
  message ReceiverConfig {
    ${prefix}.common.net.PortRange port_range = 1;
    ${prefix}.common.net.IPOrDomain listen = 2;
  }`,

  `syntax = "proto3";
  package ${prefix}.app.proxyman.command;
  message AddUserOperation { ${prefix}.common.protocol.User user = 1; }
  message RemoveUserOperation { string email = 1; }
  message AlterInboundRequest { string tag = 1; ${prefix}.common.serial.TypedMessage operation = 2; }
  message AlterInboundResponse {}
  message InboundHandlerConfig {
    string tag = 1;
    ${prefix}.common.serial.TypedMessage receiver_settings = 2;
    ${prefix}.common.serial.TypedMessage proxy_settings = 3;
  }
  message AddInboundRequest { InboundHandlerConfig inbound = 1; }
  message AddInboundResponse {}
  message RemoveInboundRequest { string tag = 1; }
  message RemoveInboundResponse {}
  service HandlerService {
    rpc AddInbound(AddInboundRequest) returns (AddInboundResponse);
    rpc RemoveInbound(RemoveInboundRequest) returns (RemoveInboundResponse);
    rpc AlterInbound(AlterInboundRequest) returns (AlterInboundResponse);
  }`,

  `syntax = "proto3";
  package ${prefix}.app.stats.command;
  message Stat { string name = 1; int64 value = 2; }
  message QueryStatsRequest { string pattern = 1; bool reset = 2; }
  message QueryStatsResponse { repeated Stat stat = 1; }
  service StatsService { rpc QueryStats(QueryStatsRequest) returns (QueryStatsResponse); }`,

  `syntax = "proto3";
  package ${prefix}.proxy.vmess;
  message Account { string id = 1; }`,

  `syntax = "proto3";
  package ${prefix}.proxy.vless;
  message Account { string id = 1; string flow = 2; string encryption = 3; }`,

  `syntax = "proto3";
  package ${prefix}.proxy.trojan;
  message Account { string password = 1; }`,

  `syntax = "proto3";
  package ${prefix}.proxy.shadowsocks;
  message Account { string password = 1; uint32 cipher_type = 2; }
  message ServerConfig { ${prefix}.common.protocol.User user = 2; repeated uint32 network = 3; }`,
];
