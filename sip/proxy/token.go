package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// purpose says what a token stands for.
type purpose byte

const (
	noToken purpose = iota
	// ToDeliver: the node that reads it delivers the request to its DN.
	ToDeliver
	// ToPhone: requests of the dialog go down a phone's flow (RFC 5626 §5.3).
	ToPhone
	// ToTrunk: they go to the gateway, or the contact that it gave.
	ToTrunk
)

// Token is the user part of the node's own Route URIs. It makes a request
// trusted, so nobody can write one without the cluster's secret, and it holds
// only along with its Call-ID: one that was seen serves for nothing else. It
// does not expire, because the nodes' clocks need not agree; its call ends.
type Token struct {
	Purpose purpose
	// Node made the token, and its Route URI leads there.
	Node   dn.Node
	Number dn.Number
	// Transport and addr are the phone's flow, or the gateway.
	Transport location.Transport
	Addr      netip.AddrPort
	// Call is the ConnID of a call to be delivered.
	Call string
}

const (
	macLen = 12
	// maxToken bounds what is decoded: three names, an address, and the rest.
	maxToken = 3 + 255 + 1 + 255 + 1 + 255 + 18 + macLen
	minToken = 5 + macLen
)

var tokenCoding = base64.RawURLEncoding.Strict()

// tokenCodec makes and reads tokens.
type tokenCodec struct{ macs sync.Pool }

// NewTokenCodec makes the codec of all who have the secret.
func NewTokenCodec(secret []byte) *tokenCodec {
	t := &tokenCodec{}
	t.setSecret(secret)
	return t
}

// setSecret replaces the secret; before anybody encodes or decodes.
func (t *tokenCodec) setSecret(secret []byte) {
	key := sha256.Sum256(append([]byte("sipcluster route token\x00"), secret...))
	t.macs = sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key[:])} }}
}

// Encode writes the token of a call.
func (t *tokenCodec) Encode(k *Token, callID []byte) []byte {
	h := t.macs.Get().(*mac)
	defer t.macs.Put(h)
	raw := append(h.raw[:0], byte(k.Purpose), byte(k.Transport), byte(len(k.Node)))
	raw = append(raw, k.Node...)
	raw = append(raw, byte(len(k.Number)))
	raw = append(raw, k.Number...)
	raw = append(raw, byte(len(k.Call)))
	raw = append(raw, k.Call...)
	raw, _ = k.Addr.AppendBinary(raw) // never fails
	raw = append(raw, h.of(raw, callID)...)
	return tokenCoding.AppendEncode(nil, raw)
}

// decode reads a token; false for one that is forged or another call's.
func (t *tokenCodec) decode(user, callID []byte) (k Token, ok bool) {
	if n := len(user); n > tokenCoding.EncodedLen(maxToken) || n < tokenCoding.EncodedLen(minToken) {
		return k, false
	}
	h := t.macs.Get().(*mac)
	defer t.macs.Put(h)
	raw, err := tokenCoding.AppendDecode(h.raw[:0], user)
	if err != nil || len(raw) < minToken {
		return k, false
	}
	body, sum := raw[:len(raw)-macLen], raw[len(raw)-macLen:]
	if subtle.ConstantTimeCompare(sum, h.of(body, callID)) != 1 {
		return k, false
	}
	return k, k.read(body)
}

// read takes the fields out of what was signed.
func (k *Token) read(b []byte) bool {
	k.Purpose, k.Transport, b = purpose(b[0]), location.Transport(b[1]), b[2:]
	node, b, ok := cutName(b)
	if !ok {
		return false
	}
	number, b, ok := cutName(b)
	if !ok {
		return false
	}
	call, b, ok := cutName(b)
	if !ok {
		return false
	}
	names := string(node) + string(number) + string(call) // one piece of memory for all
	k.Node, k.Number, k.Call = dn.Node(names[:len(node)]), dn.Number(names[len(node):len(node)+len(number)]), names[len(node)+len(number):]
	return k.Purpose != noToken && k.Addr.UnmarshalBinary(b) == nil
}

// cutName takes a name with its length off.
func cutName(b []byte) (name, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+b[0]], b[1+b[0]:], true
}

// mac is a keyed hash, with room for what it is used on.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
	raw [maxToken + 2]byte
}

// of is the MAC of a token for a call, until the next one.
func (h *mac) of(body, callID []byte) []byte {
	h.Reset()
	h.Write(body)
	h.Write(callID)
	// The length keeps what ends the one from beginning the other.
	h.sum[0], h.sum[1] = byte(len(body)), byte(len(body)>>8)
	h.Write(h.sum[:2])
	return h.Sum(h.sum[:0])[:macLen]
}
