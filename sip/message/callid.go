package message

import "bytes"

var carriageReturn = []byte("\r")

// CallIDOf is the Call-ID of what may be a message, found without reading the rest; nil where
// none is. Of a message that is broken, or folds that line, it may be another than Get's.
func CallIDOf(data []byte) []byte {
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 || i+1 == len(data) {
			return nil
		}
		data = data[i+1:]
		switch data[0] {
		case '\r', '\n':
			return nil // the head ends
		case 'C', 'c', 'I', 'i':
		default:
			continue
		}
		line := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line = bytes.TrimSuffix(data[:end], carriageReturn)
		}
		if colon := bytes.IndexByte(line, ':'); colon > 0 && KindOf(Trim(line[:colon])) == CallID {
			return Trim(line[colon+1:])
		}
	}
}
