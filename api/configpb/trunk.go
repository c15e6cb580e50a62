package configpb

import "errors"

// words of the transports.
var transportWords = [...]string{"", TrunkTransport_TRUNK_TRANSPORT_UDP: "udp", TrunkTransport_TRUNK_TRANSPORT_TCP: "tcp", TrunkTransport_TRUNK_TRANSPORT_TLS: "tls"}

// Word is "udp", "tcp" or "tls"; "" for none, and for an unknown one.
func (t TrunkTransport) Word() string {
	if t < 0 || int(t) >= len(transportWords) {
		return ""
	}
	return transportWords[t]
}

var errTransport = errors.New("want udp, tcp or tls")

// ParseTrunkTransport reads the word for a transport; "" is none.
func ParseTrunkTransport(word string) (TrunkTransport, error) {
	for t, w := range transportWords {
		if w == word {
			return TrunkTransport(t), nil
		}
	}
	return 0, errTransport
}
