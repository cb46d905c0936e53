module gorgonorm/export/readback

go 1.26.0

require (
	github.com/NVIDIA/go-tfdata v0.3.1
	github.com/helinwang/tfsum v0.0.0-20170424205007-0203575258a5
	github.com/stretchr/testify v1.12.1
	google.golang.org/protobuf v1.36.10
	gorgonorm v0.0.0
)

require (
	github.com/gofrs/flock v0.13.0 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
	gonum.org/v1/gonum v0.17.0 // indirect
)

replace gorgonorm => ../..
