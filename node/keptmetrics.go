package node

import (
	"crypto/x509"
	"io/fs"
	"path/filepath"

	"github.com/sipcluster/sipcluster/api"
)

// keptSource tells of what the node keeps: its configuration's feature level, its
// certificate and the size of its stores.
type keptSource struct{ n *Node }

// Samples implements api.Source.
func (s keptSource) Samples(emit func(api.Sample)) {
	emit(api.Sample{Name: "feature_level", Help: "Feature level of the configuration; lower than the program's own while nodes of older versions are in the cluster.", Value: float64(s.n.machine.View().Level())})
	if s.n.who != nil {
		if own := s.n.who.Certificate(); own != nil {
			certificateSample(own.Leaf, emit)
		}
	}
	for _, d := range s.n.disks() {
		if !d.Since().IsZero() {
			return // a file system that does not answer is asked nothing, or the metrics would not answer either
		}
	}
	storeSamples(s.n.cfg.DataDir, emit)
}

func certificateSample(leaf *x509.Certificate, emit func(api.Sample)) {
	if leaf != nil {
		emit(api.Sample{Name: "certificate_expiry_timestamp_seconds", Help: "Until when the node's certificate is good; it renews itself after two thirds of its time.", Value: float64(leaf.NotAfter.Unix())})
	}
}

// stores are the parts of a data directory, files or folders, as its documents call them.
var stores = []string{configFile, raftDir, "location", "agents"}

// storeSamples are the sizes of the stores in a data directory.
func storeSamples(dir string, emit func(api.Sample)) {
	for _, store := range stores {
		emit(api.Sample{Name: "store_bytes", Help: "Size of the store in the data directory.", Label: "store", LabelValue: store, Value: float64(sizeOf(filepath.Join(dir, store)))})
	}
}

// sizeOf adds up a file, or those in a folder; what can't be read counts nothing.
func sizeOf(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // gone meanwhile, or not for us: the rest counts
		}
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
