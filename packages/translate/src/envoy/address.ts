/** `core.v3.Address` of a socket. */
export function socketAddress(address: string, port: number) {
  return {
    address: {
      case: 'socketAddress' as const,
      value: { address, portSpecifier: { case: 'portValue' as const, value: port } },
    },
  };
}

/** The address of a listener: `unix://` and a path, or an IP address with its port. */
export function listenAddress(bind: string, port: number) {
  return bind.startsWith('unix://')
    ? { address: { case: 'pipe' as const, value: { path: bind.slice('unix://'.length) } } }
    : socketAddress(bind, port);
}

/** Whether a text is an IPv4 or IPv6 address and not a host name. */
export function isIpAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || (text.includes(':') && /^[0-9a-fA-F:.]+$/.test(text));
}

/** Fields of `core.v3.CidrRange` for an address or a CIDR block. */
export function cidrRange(text: string): { addressPrefix: string; prefixLen: number } {
  const slash = text.indexOf('/');
  if (slash < 0) return { addressPrefix: text, prefixLen: text.includes(':') ? 128 : 32 };
  return { addressPrefix: text.slice(0, slash), prefixLen: Number(text.slice(slash + 1)) };
}
