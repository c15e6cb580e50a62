package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// way is one of rules.yaml, as far as its path and its query may contradict each other.
type way struct {
	method string
	path   *regexp.Regexp
	in     protoreflect.MessageDescriptor
	names  []string
}

var variable = regexp.MustCompile(`\\{([a-z_]+)\\}`)

// unambiguous refuses queries that can't be read, that say something twice, or that name
// another thing than the path: who stands before a node judges by the path.
func unambiguous(rules []*annotations.HttpRule, next http.Handler) http.Handler {
	var ways []way
	for _, r := range rules {
		d, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(r.GetSelector()))
		m, ok := d.(protoreflect.MethodDescriptor)
		if !ok {
			continue // the transcoder says so
		}
		for verb, path := range map[string]string{http.MethodGet: r.GetGet(), http.MethodPost: r.GetPost(), http.MethodDelete: r.GetDelete()} {
			if path == "" {
				continue
			}
			w := way{method: verb, in: m.Input(), path: regexp.MustCompile("^" + variable.ReplaceAllString(regexp.QuoteMeta(path), "[^/]*") + "$")}
			for _, found := range variable.FindAllStringSubmatch(regexp.QuoteMeta(path), -1) {
				w.names = append(w.names, found[1])
			}
			ways = append(ways, w)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		for _, way := range ways {
			if err == nil && way.method == r.Method && way.path.MatchString(r.URL.Path) {
				err = once(way.in, query, way.names)
			}
		}
		if err != nil {
			fail(w, codes.InvalidArgument, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// once refuses a query that gives a field twice that is no list, by whichever of its names, or
// one that the path has; and what is no time where one is wanted.
func once(in protoreflect.MessageDescriptor, query url.Values, path []string) error {
	given := map[string]int{}
	for name, values := range query {
		var field []string
		f, at := protoreflect.FieldDescriptor(nil), in
		for part := range strings.SplitSeq(name, ".") {
			if at == nil {
				break // whoever reads it says that there is no such field
			}
			if f = at.Fields().ByName(protoreflect.Name(part)); f == nil {
				f = at.Fields().ByJSONName(part)
			}
			if at = nil; f != nil {
				at, field = f.Message(), append(field, string(f.Name()))
			}
		}
		if f != nil && !f.IsList() {
			given[strings.Join(field, ".")] += len(values)
		}
		switch {
		case f != nil && f.Parent() == in && slices.Contains(path, string(f.Name())):
			return fmt.Errorf("%s is in the path", f.Name())
		case f != nil && given[strings.Join(field, ".")] > 1:
			return fmt.Errorf("%s is given twice", name)
		case f != nil && f.Message() != nil && f.Message().FullName() == timestamp:
			if _, err := time.Parse(time.RFC3339Nano, values[0]); err != nil {
				return fmt.Errorf("%s=%.64q: want a time as 2026-01-02T14:00:00Z", name, values[0])
			}
		}
	}
	return nil
}

var timestamp = (*timestamppb.Timestamp)(nil).ProtoReflect().Descriptor().FullName()
