package fsm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/hashicorp/raft"
)

// A snapshot is the magic, then records of kind (1 byte), length (uvarint) and
// content. The first is the header, the last the end with a CRC-32C of all
// before it. The objects follow in a fixed order, so equal Views give equal bytes.
const magic = "SIPC\x01"

const (
	recordHeader   = 'H' // applied index (8 bytes), epoch
	recordLevel    = 'L' // behind the header; none at level 1
	recordOptions  = 'O'
	recordNode     = 'N'
	recordGroup    = 'G'
	recordDN       = 'D'
	recordRequest  = 'R'
	recordToken    = 'T'
	recordAudit    = 'A'
	recordSecurity = 'S'
	recordInvite   = 'I'
	recordEnd      = 'E'

	maxRecord = 1 << 20
)

var bucketOf = map[byte]string{
	recordOptions: bucketMeta, recordNode: bucketNode, recordGroup: bucketGroup, recordDN: bucketDN, recordRequest: bucketRequest,
	recordToken: bucketToken, recordAudit: bucketAudit,
	recordSecurity: bucketMeta, recordInvite: bucketInvite, recordLevel: bucketMeta,
}

// ErrSnapshot says that a snapshot can't be read; nothing was changed by it.
var ErrSnapshot = errors.New("damaged snapshot of the configuration")

// records passes every object in the order of a snapshot.
func (v *View) records(fn func(kind byte, key string, value []byte) error) error {
	if v.level != 0 {
		if err := fn(recordLevel, keyLevel, encodeLevel(v.level)); err != nil {
			return err
		}
	}
	if v.stored.GetRevision() != 0 {
		if err := fn(recordOptions, keyOptions, encode(v.stored)); err != nil {
			return err
		}
	}
	if v.security != nil {
		if err := fn(recordSecurity, keySecurity, encode(v.security)); err != nil {
			return err
		}
	}
	for _, i := range v.invites {
		if err := fn(recordInvite, i.GetId(), encode(i)); err != nil {
			return err
		}
	}
	for _, n := range v.nodes {
		if err := fn(recordNode, n.GetId(), encode(n)); err != nil {
			return err
		}
	}
	for g := range v.Groups() {
		if err := fn(recordGroup, g.GetName(), encode(g)); err != nil {
			return err
		}
	}
	for d := range v.DNs("") {
		if err := fn(recordDN, d.GetNumber(), encode(d)); err != nil {
			return err
		}
	}
	for t := range behind(v.tokens, "") {
		if err := fn(recordToken, t.GetId(), encode(t)); err != nil {
			return err
		}
	}
	var err error
	v.audit.rows.Ascend(func(r auditRow) bool {
		err = fn(recordAudit, seqKey(r.index), []byte(r.data))
		return err == nil
	})
	if err != nil {
		return err
	}
	v.memory.order.Ascend(func(o *outcome) bool {
		err = fn(recordRequest, seqKey(o.seq), o.encode())
		return err == nil
	})
	return err
}

// WriteTo writes the View as a snapshot.
func (v *View) WriteTo(w io.Writer) (int64, error) {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	buf := bufio.NewWriterSize(w, 64<<10)
	out := io.MultiWriter(buf, sum)
	n := int64(len(magic))
	put := func(kind byte, _ string, value []byte) error {
		head := binary.AppendUvarint([]byte{kind}, uint64(len(value)))
		n += int64(len(head) + len(value))
		if _, err := out.Write(head); err != nil {
			return err
		}
		_, err := out.Write(value)
		return err
	}
	if _, err := io.WriteString(out, magic); err != nil {
		return 0, err
	}
	if err := put(recordHeader, "", append(binary.BigEndian.AppendUint64(nil, v.index), v.epoch...)); err != nil {
		return 0, err
	}
	if err := v.records(put); err != nil {
		return 0, err
	}
	if err := put(recordEnd, "", sum.Sum(nil)); err != nil {
		return 0, err
	}
	return n, buf.Flush()
}

// reader reads records and sums what it read.
type reader struct {
	in  *bufio.Reader
	sum hash.Hash32
}

func newReader(r io.Reader) *reader {
	return &reader{bufio.NewReaderSize(r, 64<<10), crc32.New(crc32.MakeTable(crc32.Castagnoli))}
}

// next returns one record; its content is only good until the next call.
func (r *reader) next() (kind byte, value []byte, before []byte, err error) {
	if kind, err = r.in.ReadByte(); err != nil {
		return 0, nil, nil, err
	}
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		return 0, nil, nil, err
	}
	if length > maxRecord {
		return 0, nil, nil, fmt.Errorf("a record of %d bytes", length)
	}
	value = make([]byte, length)
	if _, err := io.ReadFull(r.in, value); err != nil {
		return 0, nil, nil, err
	}
	before = r.sum.Sum(nil)
	r.sum.Write(binary.AppendUvarint([]byte{kind}, length))
	r.sum.Write(value)
	return kind, value, before, nil
}

// header reads what the snapshot holds: the state machine's epoch and index.
func (r *reader) header() (epoch string, index uint64, err error) {
	m := make([]byte, len(magic))
	if _, err := io.ReadFull(r.in, m); err != nil || string(m) != magic {
		return "", 0, fmt.Errorf("%w: not a snapshot, or one of a newer program", ErrSnapshot)
	}
	r.sum.Write(m)
	kind, b, _, err := r.next()
	if err != nil || kind != recordHeader || len(b) < 8 {
		return "", 0, fmt.Errorf("%w: no header", ErrSnapshot)
	}
	return string(b[8:]), binary.BigEndian.Uint64(b), nil
}

// view reads the rest. It changes nothing but memory. The error wraps ErrSnapshot,
// or ErrLevel when a program of a higher level wrote it: the View has that level then.
func (r *reader) view(epoch string, index uint64, f Features) (*View, error) {
	v := Empty()
	v.epoch, v.index = epoch, index
	var unknown error
	for {
		kind, b, sum, err := r.next()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		if kind == recordEnd {
			if !slices.Equal(b, sum) {
				return nil, fmt.Errorf("%w: wrong checksum", ErrSnapshot)
			}
			if unknown != nil {
				return v, unknown
			}
			return v, nil
		}
		if unknown != nil {
			continue // only to see that it is whole
		}
		if err := v.add(kind, b); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		unknown = f.beyond(v.level)
	}
}

// snapshot is a View on its way to a file; a View needs no release.
type snapshot struct{ view *View }

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := s.view.WriteTo(sink); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("writing a snapshot of the configuration: %w", err)
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (snapshot) Release() {}
