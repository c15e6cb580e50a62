package location

import (
	"encoding/binary"
	"hash/crc32"
)

// A journal is a header, then frames: length of the payload and its CRC-32C,
// both little-endian 32 bits, then the payload.
const (
	journalMagic = "sipcluster location journal 1\n"
	frameHead    = 8
	// maxPayload is more than any entry has; a greater length is damage.
	maxPayload = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(payload string) uint32 {
	var buf [512]byte
	return crc32.Checksum(append(buf[:0], payload...), castagnoli)
}

func appendFrame(b []byte, payload string) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, 0, 0, 0, 0)
	b = append(b, payload...)
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+frameHead:], castagnoli))
	return b
}

// nextFrame returns the payload of the frame that b starts with, and the
// frame's length; ok is false when there is no whole and sound one.
func nextFrame(b []byte) (payload []byte, n int, ok bool) {
	if len(b) < frameHead {
		return nil, 0, false
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > maxPayload || uint64(size) > uint64(len(b)-frameHead) {
		return nil, 0, false
	}
	payload = b[frameHead : frameHead+size]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, false
	}
	return payload, frameHead + int(size), true
}

// readFrames gives the payloads of a journal's bytes to fn, as far as they are
// sound and fn takes them, and returns how many bytes that were.
func readFrames(b []byte, fn func(payload string) error) int {
	if len(b) < len(journalMagic) || string(b[:len(journalMagic)]) != journalMagic {
		return 0
	}
	at := len(journalMagic)
	for {
		payload, n, ok := nextFrame(b[at:])
		if !ok || fn(string(payload)) != nil {
			return at
		}
		at += n
	}
}

// hasFrame tells whether a sound frame of a known kind starts anywhere in b:
// then what comes before it is damage, and not the torn end of a last write.
func hasFrame(b []byte) bool {
	for i := 0; i+frameHead < len(b); i++ {
		if k := b[i+frameHead]; k < kindEntry || k > kindWay {
			continue
		}
		if _, _, ok := nextFrame(b[i:]); ok {
			return true
		}
	}
	return false
}
